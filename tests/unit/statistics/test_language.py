"""Languages told by script and function words."""

import pytest

from tidegate.statistics.language import language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Where is the card that I ordered?", "en"),
        ("Wie kann ich mein Passwort zurücksetzen?", "de"),
        ("J'ai perdu ma carte, que faire ?", "fr"),
        ("¿Cómo puedo cambiar mi contraseña?", "es"),
        ("Não consigo entrar na minha conta", "pt"),
        ("Dov'è la mia carta?", "it"),
        ("Ik kan niet inloggen", "nl"),
        ("Где моя карта?", "cyrillic"),
        ("私のカードはどこですか", "ja"),
        ("我的卡在哪里", "zh"),
        ("내 카드는 어디에 있나요", "ko"),
        ("أين بطاقتي", "arabic"),
        ("reset password", "und"),
        ("", "und"),
        ("12345 !!", "und"),
    ],
)
def test_language(text: str, expected: str) -> None:
    assert language(text) == expected


def test_one_foreign_word_does_not_change_the_script() -> None:
    assert language("what is the price of сок in this shop") == "en"
