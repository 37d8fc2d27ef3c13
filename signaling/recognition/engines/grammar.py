"""The grammar of short answers on the phone: digits, numbers, commands and the hints of the application. Pure.

A hint counts only if the dictionary knows each of its words: a guessed pronunciation would be heard where nobody said it. `unknown`
names the words that are missing, for the log.
"""

import re

DIGITS = "zero oh one two three four five six seven eight nine".split()
UNITS = DIGITS[2:]
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
# Few and unlike each other: each further word is one more that breath or another word is taken for.
COMMANDS = [
    *("yes", "correct", "no", "okay", "cancel", "stop", "help", "repeat", "next", "previous", "continue", "operator"),
    *("agent", "representative", "main menu", "go back", "start over", "goodbye", "star", "pound"),
]

# Digits and hints mix ("seven of clubs" where "of clubs" is a hint); numbers and commands stand alone, which keeps "four two" and
# "forty two" apart. An utterance is one of them; `area` is "one eight hundred" before the digits of a phone number. The weights say how often callers say each.
RULES = """#JSGF V1.0;
grammar answers;
public <answer> = /30/ <words> | /1/ <number> | /5/ <area> | /30/ <command>;
<words> = (<digit>{hints})+;
<number> = <two> | <hundreds> | <unit> thousand [<hundreds> | [and] <two>];
<hundreds> = (<unit> | <teen>) hundred [[and] <two>];
<two> = <unit> | <teen> | <ten> [<unit>];
<area> = [one] <unit> hundred <digit>+;
<digit> = {digits};
<unit> = {units};
<teen> = {teens};
<ten> = {tens};
<command> = {commands};
"""


class Grammar:
    """JSGF for hints, and the way back from recognised words to the spelling of a hint."""

    def __init__(self, hints, is_known):
        self.unknown, self.spelling = [], {}
        for hint in hints:
            words = spoken(hint, is_known)
            missing = [word for word in words if not is_known(word)]
            if missing:
                self.unknown += missing
            elif words:
                self.spelling.setdefault(" ".join(words), hint.strip())
        self.jsgf = RULES.format(
            hints="".join(f" | {phrase}" for phrase in self.spelling),
            digits=" | ".join(DIGITS),
            units=" | ".join(UNITS),
            teens=" | ".join(TEENS),
            tens=" | ".join(TENS),
            commands=" | ".join(COMMANDS),
        )

    def text(self, words):
        """The text of recognised words: a hint as the application spelled it."""
        return self.spelling.get(words, words)


def spoken(hint, is_known):
    """The words of a hint as the dictionary has them: lower case, figures as digits, compounds split where the parts are known."""
    words = []
    # Class tokens of the API name classes of words, not words.
    for token in re.findall(r"[a-z']+|[0-9]", re.sub(r"\$\w+", " ", hint.lower().replace("’", "'"))):
        token = token.strip("'")
        if token.isdigit():
            words.append(["zero", *UNITS][int(token)])
        elif token:
            words += [token] if is_known(token) else parts(token, is_known)
    return words


def parts(word, is_known):
    """A compound as two known words of at least three letters ("voicemail"), or the word itself."""
    for at in range(3, len(word) - 2):
        if is_known(word[:at]) and is_known(word[at:]):
            return [word[:at], word[at:]]
    return [word]
