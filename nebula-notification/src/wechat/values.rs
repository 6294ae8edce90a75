//! What WeChat takes for a value: its name says the type, and each type has bounds. Nothing is cut to fit, since what is
//! cut off may be what matters.

/// Whether a value fits its name (`thing1`, `number2`): what is wrong if not.
pub(super) fn check(name: &str, value: &str) -> Result<(), String> {
    let kind = name.trim_end_matches(|one: char| one.is_ascii_digit());
    let count = value.chars().count();
    let bound = |most: usize, fits: bool, what: &str| {
        if count == 0 || count > most || !fits {
            Err(format!("{name} takes {what}, at most {most} characters"))
        } else {
            Ok(())
        }
    };
    let all = |fits: fn(char) -> bool| value.chars().all(fits);
    match kind {
        "thing" => bound(20, all(|one| !one.is_control()), "text"),
        "number" => bound(32, all(|one| one.is_ascii_digit() || one == '.' || one == '-'), "a number"),
        "letter" => bound(32, all(|one| one.is_ascii_alphabetic()), "letters"),
        "symbol" => bound(5, all(|one| !one.is_alphanumeric()), "symbols"),
        "character_string" => {
            bound(32, value.is_ascii() && all(|one| !one.is_control()), "letters, digits and symbols")
        }
        "time" | "date" => bound(32, all(|one| !one.is_control()), "a time"),
        "amount" => bound(11, all(|one| !one.is_control()), "an amount"),
        "phone_number" => bound(17, value.is_ascii(), "a number"),
        "car_number" => bound(8, all(|one| !one.is_control()), "a number plate"),
        "name" => bound(if value.is_ascii() { 20 } else { 10 }, all(|one| !one.is_ascii_digit()), "a name"),
        "phrase" => bound(5, all(|one| !one.is_ascii()), "Chinese characters"),
        "const" => bound(20, true, "one of its values"),
        _ => Err(format!("{name} is of no type that WeChat knows")),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn bounds_by_type() {
        let fits = [
            ("thing1", "二十个字以内的文字"),
            ("number12", "-3.50"),
            ("letter1", "Ab"),
            ("date3", "2026年11月21日 20:00"),
            ("amount2", "￥1280.00"),
            ("name1", "王小明"),
            ("phrase1", "已出票"),
            ("car_number1", "粤A·8Z888"),
        ];
        for (name, value) in fits {
            assert_eq!(check(name, value), Ok(()), "{name}");
        }
        let refused = [
            ("thing1", "这里有二十一个字的文字这里有二十一个字的文字"),
            ("thing1", ""),
            ("thing1", "a\nb"),
            ("number1", "1e6"),
            ("letter1", "é"),
            ("phrase1", "paid"),
            ("car_number1", "粤A·8Z888888"),
            ("order", "T-1"),
        ];
        for (name, value) in refused {
            assert!(check(name, value).is_err(), "{name}");
        }
    }
}
