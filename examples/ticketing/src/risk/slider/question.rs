//! A question in words.

use rand::RngExt as _;

const EN: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
const ZH: [&str; 10] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];

pub(super) struct Question {
    pub(super) text: String,
    pub(super) text_zh: String,
    pub(super) answer: u32,
}

pub(super) fn make() -> Question {
    let mut random = rand::rng();
    let (a, b, c) =
        (random.random_range(2..10_usize), random.random_range(2..10_usize), random.random_range(0..3_usize));
    Question {
        text: format!("What is {} plus {}, minus {}? Answer with digits.", EN[a], EN[b], EN[c]),
        text_zh: format!("{}加{}再减{}等于多少？请用数字回答。", ZH[a], ZH[b], ZH[c]),
        answer: u32::try_from(a + b - c).unwrap_or_default(),
    }
}
