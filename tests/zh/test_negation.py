"""Stems that ask what does not hold, and what they are turned into."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhmcq.zh import affirmative_stem

TURNED = [
    ("下列何者不是水果？", "下列何者是水果？"),
    ("請問哪一項並非作者的主張", "請問哪一項是作者的主張"),
    ("何者非四大名泉之一？", "何者是四大名泉之一？"),
    ("下列何者非為本文的要點？", "下列何者是本文的要點？"),
    ("下列何者不為查核項目？", "下列何者為查核項目？"),
    ("哪一個不屬於臺灣的國家公園？", "哪一個屬於臺灣的國家公園？"),
    ("何者不符合文意？", "何者符合文意？"),
    ("活動的內容不包含下列何者？", "活動的內容包含下列何者？"),
    ("這次展覽並不包括哪一類作品？", "這次展覽包括哪一類作品？"),
    ("入選的城市不包含？", "入選的城市包含？"),
    ("下列敘述何者錯誤？", "下列敘述何者正確？"),
    ("關於這座橋的描述，何者有誤？", "關於這座橋的描述，何者正確？"),
    ("下列對老師的敘述，何者為非？", "下列對老師的敘述，何者為是？"),
    ("依據上文，下列敘述錯誤的選項是？", "依據上文，下列敘述正確的選項是？"),
    ("誰沒有參加那次會議？", "誰有參加那次會議？"),
    ("誰未曾到過北京？", "誰曾到過北京？"),
    ("下列何處並未實施交通管制？", "下列何處實施交通管制？"),
    ("文中何者沒有被提到？", "文中何者被提到？"),
    ("他沒有擔任過哪些官職？", "他有擔任過哪些官職？"),
    ("吃太多糖不會造成什麼？", "吃太多糖會造成什麼？"),
    ("何者不是他不回家的原因？", "何者是他不回家的原因？"),
    ("下列何者不是「非洲」的動物？", "下列何者是「非洲」的動物？"),
    ("下列各項中，不屬於水果的是（　）", "下列各項中，屬於水果的是（　）"),
    ("下列说法错误的是（ ）", "下列说法正确的是（ ）"),
    ("下列关于地球的叙述，不正确的是", "下列关于地球的叙述，正确的是"),
    ("以下哪个不是哺乳动物？", "以下哪个是哺乳动物？"),
    ("下列哪项不属于我国的内海？", "下列哪项属于我国的内海？"),
]

LEFT_ALONE = [
    "下列何者正確？",
    "誰去了圖書館？",
    "警察查獲了多少公斤安非他命？",  # a word that has 非
    "下列何者屬於非法行為？",
    "下列何者是非營利組織？",
    "請問下列何者不可勝數？",
    "他為何沒有攻打徐州？",  # the negation belongs to what is told
    "為什麼他認為老師不是壞人？",
    "婆婆為什麼不在家？",
    "他因為不符合什麼條件而落選？",
    "請問她不在房中而是在哪裡？",
    "請問什麼是「非其所長」？",  # quoted
    "他問誰有沒有辦法？",
    "未來哪裡會下雨？",
    "連什麼評估都沒有？",
    "下列何者最不符合所謂的「浪漫」？",
    "這是誰的不是？",
    "下列何者不是錯誤的敘述？",  # negative twice
    "下列何者是造成錯誤的原因？",
    "國文科非選題一共幾題？",
    "請問誰不愛吃魚？",
    "",
]


@pytest.mark.parametrize(("stem", "affirmative"), TURNED)
def test_a_stem_that_asks_what_does_not_hold_is_turned_around(stem: str, affirmative: str) -> None:
    assert affirmative_stem(stem) == affirmative


@pytest.mark.parametrize("stem", LEFT_ALONE)
def test_another_stem_is_left_alone(stem: str) -> None:
    assert affirmative_stem(stem) is None


@given(st.text("下列何者誰哪一項不非未沒有是為屬於包含錯誤正確敘述的，？「」在被曾之", max_size=24))
def test_what_was_turned_around_is_not_turned_again_and_lost_only_its_negation(stem: str) -> None:
    turned = affirmative_stem(stem)
    if turned is not None:
        assert turned != stem
        assert affirmative_stem(turned) != stem
        assert abs(len(turned) - len(stem)) <= 3
