//! Words that were said and words that were recognised: the rate of errors, after numbers are normalised.

const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// Words without case and punctuation; figures below 10,000 as words, longer ones digit by digit.
pub fn normalised(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace(',', "").replace("mr.", "mister");
    let pieces = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    let mut words = Vec::new();
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        match piece.parse::<usize>() {
            Ok(number) if piece.len() <= 4 && !piece.starts_with('0') => spell(number, &mut words),
            Ok(_) => piece.bytes().for_each(|digit| words.push(UNITS[usize::from(digit - b'0')])),
            Err(_) => words.push(piece),
        }
    }
    words.into_iter().map(str::to_owned).collect()
}

fn spell(number: usize, words: &mut Vec<&str>) {
    match number {
        1_000.. => {
            words.extend([UNITS[number / 1_000], "thousand"]);
            if !number.is_multiple_of(1_000) {
                spell(number % 1_000, words);
            }
        }
        100.. => {
            words.extend([UNITS[number / 100], "hundred"]);
            if !number.is_multiple_of(100) {
                spell(number % 100, words);
            }
        }
        20.. => {
            words.push(TENS[number / 10]);
            if !number.is_multiple_of(10) {
                words.push(UNITS[number % 10]);
            }
        }
        _ => words.push(UNITS[number]),
    }
}

/// Words that were said, and how many insertions, deletions and substitutions lie between them and the
/// recognised ones.
pub fn errors(said: &str, recognised: &str) -> (usize, usize) {
    let (said, recognised) = (normalised(said), normalised(recognised));
    let mut row: Vec<usize> = (0..=recognised.len()).collect();
    for (index, word) in said.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (at, other) in recognised.iter().enumerate() {
            let substituted = diagonal + usize::from(word != other);
            diagonal = row[at + 1];
            row[at + 1] = substituted.min(diagonal + 1).min(row[at] + 1);
        }
    }
    (said.len(), row[recognised.len()])
}

#[test]
fn errors_are_counted_over_normalised_words() {
    assert_eq!(normalised("Mr. Jones, 1,205 times; 007 o'clock!").join(" "), {
        "mister jones one thousand two hundred five times zero zero seven o'clock"
    });
    assert_eq!(normalised("40 100 3000 20555").join(" "), {
        "forty one hundred three thousand two zero five five five"
    });
    for (said, recognised, count) in [
        ("one two three", "1, 2, 3.", 0),
        ("one two three", "one three", 1),
        ("one two three", "oh one two four three", 2),
        ("yes", "no", 1),
        ("a b", "", 2),
    ] {
        assert_eq!(errors(said, recognised).1, count, "{said} / {recognised}");
    }
}
