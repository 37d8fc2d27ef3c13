"""Tests of the grammar with a dictionary of few words."""

import unittest

from grammar import Grammar, spoken

WORDS = "of clubs voice mail sales o'clock twenty one two four b m w".split()


def is_known(word):
    return word in WORDS


class GrammarTest(unittest.TestCase):
    def test_hints_become_words_of_the_dictionary(self):
        cases = {
            "Of Clubs": ["of", "clubs"],
            "Voicemail!": ["voice", "mail"],
            "24": ["two", "four"],
            "four O’Clock": ["four", "o'clock"],
            "B M W": ["b", "m", "w"],
            "$OOV_CLASS_DIGIT_SEQUENCE sales": ["sales"],
            "sales | <command> ; {x}": ["sales", "command", "x"],
        }
        for hint, words in cases.items():
            self.assertEqual(spoken(hint, is_known), words)

    def test_a_hint_with_an_unknown_word_is_left_out_and_named(self):
        grammar = Grammar(["sales", "Zyxel sales", ""], is_known)
        self.assertEqual(grammar.unknown, ["zyxel"])
        self.assertIn("<words> = (<digit> | sales)+;", grammar.jsgf)
        self.assertNotIn("zyxel", grammar.jsgf)

    def test_a_recognised_hint_has_the_spelling_of_the_application(self):
        grammar = Grammar(["Voicemail", "voice mail"], is_known)
        self.assertEqual(grammar.text("voice mail"), "Voicemail")
        self.assertEqual(grammar.text("voice mail one"), "voice mail one")


if __name__ == "__main__":
    unittest.main()
