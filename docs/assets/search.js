// The search takes a Chinese query for one long word and loses its last character. Written apart,
// with + before each, all of its characters have to stand in a section.
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...more) {
  if (message && message.type === 2 && typeof message.data === "string") {
    const data = message.data.replace(/[\u3400-\u9fff]/g, " +$& ");
    return post.call(this, { ...message, data }, ...more);
  }
  return post.call(this, message, ...more);
};
