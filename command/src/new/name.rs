//! Which names a crate can have.

/// What crates.io takes.
const LONGEST: usize = 64;

/// Words that no crate's name can be: Rust's, and those of crates that the project uses itself.
const KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if \
    impl in let loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof unsafe \
    unsized use virtual where while yield";
const TAKEN: &str = "actix actors alloc anyhow core proc_macro ractor resident resident_build resident_kernels std test tokio";

/// `name`, if a crate can be called so, and its actors' crate by the same name with `-actors`.
pub(crate) fn checked(name: &str) -> Result<String, String> {
    let plain = name.replace('-', "_");
    let is = |words: &str| words.split_whitespace().any(|word| word == plain);
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic());
    if !begins || !plain.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        Err("a crate's name begins with a letter and has letters, digits, - and _ (ASCII)".into())
    } else if name.len() + "-actors".len() > LONGEST {
        Err(format!("a crate's name has {LONGEST} letters at most, and the handlers' crate has `-actors` behind this one"))
    } else if is(KEYWORDS) {
        Err("this is a word of Rust's".into())
    } else if is(TAKEN) {
        Err("the project uses a crate of that name itself".into())
    } else {
        Ok(name.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_crates_name_is_refused_with_the_reason() {
        for good in ["hello", "h", "hello-world_2", "Hello", "match-maker", &"a".repeat(57)] {
            assert_eq!(checked(good).as_deref(), Ok(good));
        }
        for (bad, why) in [
            ("", "begins with a letter"),
            ("2nd", "begins with a letter"),
            ("-x", "begins with a letter"),
            ("..", "begins with a letter"),
            ("a/b", "letters, digits"),
            ("a b", "letters, digits"),
            ("größe", "ASCII"),
            ("match", "word of Rust's"),
            ("resident", "uses a crate"),
            ("resident-kernels", "uses a crate"),
            (&"a".repeat(58), "64 letters"),
        ] {
            let error = checked(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
