//! The number of a Chinese resident identity card: GB 11643-1999.
//!
//! Six digits of a region, eight of the day of birth, three that tell people of one day and region apart, and a check character
//! by ISO 7064 MOD 11-2.

use super::document::BadDocument;

const LENGTH: usize = 18;

/// The provinces, as the first two digits name them: GB/T 2260, with the permits for residents from Hong Kong, Macao and Taiwan
/// and, as 91, foreigners with permanent residence.
const PROVINCES: [u8; 36] = [
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 61, 62, 63,
    64, 65, 71, 81, 82, 83, 91,
];

/// The number in its one form, if it is one today.
pub(super) fn canonical(text: &str, today: jiff::civil::Date) -> Result<String, BadDocument> {
    let number = text.trim().to_ascii_uppercase();
    let length = number.chars().count();
    if length != LENGTH {
        return Err(BadDocument::Length { length });
    }
    let (body, check) = number.as_bytes().split_at(LENGTH - 1);
    if !body.iter().all(u8::is_ascii_digit) || !matches!(check, [b'0'..=b'9' | b'X']) {
        return Err(BadDocument::Characters);
    }
    let digits =
        |from: usize, to: usize| body[from..to].iter().fold(0_i32, |sum, digit| sum * 10 + i32::from(digit - b'0'));
    if !PROVINCES.iter().any(|province| i32::from(*province) == digits(0, 2)) {
        return Err(BadDocument::Region);
    }
    let part = |from, to| i16::try_from(digits(from, to)).map_err(|_| BadDocument::Date);
    let month_and_day = |value: i16| i8::try_from(value).map_err(|_| BadDocument::Date);
    let (year, month, day) = (part(6, 10)?, month_and_day(part(10, 12)?)?, month_and_day(part(12, 14)?)?);
    let born = jiff::civil::Date::new(year, month, day).map_err(|_| BadDocument::Date)?;
    if year < 1900 {
        return Err(BadDocument::Date);
    }
    if born > today {
        return Err(BadDocument::Unborn);
    }
    if check != [check_character(body)] {
        return Err(BadDocument::CheckDigit);
    }
    Ok(number)
}

/// ISO 7064 MOD 11-2: each digit is added and the sum doubled, from the left; ten is written X.
fn check_character(digits: &[u8]) -> u8 {
    let sum = digits.iter().fold(0_u32, |sum, digit| (sum + u32::from(digit - b'0')) * 2 % 11);
    match (12 - sum) % 11 {
        10 => b'X',
        check => b'0' + u8::try_from(check).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: jiff::civil::Date = jiff::civil::date(2026, 11, 22);

    fn with_check(body: &str) -> String {
        format!("{body}{}", char::from(check_character(body.as_bytes())))
    }

    #[test]
    fn a_number_has_one_form() {
        // The example in the standard's text.
        assert_eq!(canonical(" 11010519491231002x ", TODAY).unwrap(), "11010519491231002X");
        assert_eq!(canonical("440524188001010014", TODAY), Err(BadDocument::Date), "before 1900");
        for body in ["33010619900229001", "33010619901301001", "33010619900431001", "33010619900400001"] {
            assert_eq!(canonical(&with_check(body), TODAY), Err(BadDocument::Date), "{body}");
        }
        canonical(&with_check("33010620000229001"), TODAY).unwrap();
    }

    #[test]
    fn each_mistake_is_told_apart() {
        for (text, expected) in [
            ("", BadDocument::Length { length: 0 }),
            ("11010519491231002", BadDocument::Length { length: 17 }),
            ("110105194912310021X", BadDocument::Length { length: 19 }),
            ("１1010519491231002X", BadDocument::Characters),
            ("11010519491X310021", BadDocument::Characters),
            ("11010519491231002Y", BadDocument::Characters),
            ("01010519491231002X", BadDocument::Region),
            ("99010519491231002X", BadDocument::Region),
            ("11010520261123002X", BadDocument::Unborn),
            ("110105194912310021", BadDocument::CheckDigit),
        ] {
            assert_eq!(canonical(text, TODAY), Err(expected), "{text}");
        }
    }

    /// Every single wrong digit and every swap of two that differ is seen.
    #[test]
    fn the_check_character_sees_what_people_mistype() {
        let number = "11010519491231002X";
        for place in 0..17 {
            for digit in b'0'..=b'9' {
                let mut other = number.as_bytes().to_vec();
                if other[place] == digit {
                    continue;
                }
                other[place] = digit;
                assert_ne!(check_character(&other[..17]), b'X', "{place} {digit}");
            }
        }
        for place in 0..16 {
            let mut other = number.as_bytes().to_vec();
            other.swap(place, place + 1);
            if other[place] != other[place + 1] {
                assert_ne!(check_character(&other[..17]), b'X', "{place}");
            }
        }
    }
}
