//! Which modules a page's script needs: a browser that is told all of them at once does not find out file by file.

/// The modules that a script imports, and those that they import in turn: nearest first, each once, without the script itself.
/// `read` gives a module's text.
///
/// # Errors
///
/// The name of one that cannot be read.
pub(super) fn imported(script: &str, read: impl Fn(&str) -> Option<String>) -> Result<Vec<String>, String> {
    let mut found = vec![script.to_owned()];
    let mut next = 0;
    while let Some(module) = found.get(next) {
        let text = read(module).ok_or_else(|| module.clone())?;
        for name in imports(&text) {
            if !found.iter().any(|known| known == name) {
                found.push(name.to_owned());
            }
        }
        next += 1;
    }
    found.remove(0);
    Ok(found)
}

/// What a module's own import statements name, one a line.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (before, name) = line.strip_prefix("import ")?.split_once("'./")?;
        (before.is_empty() || before.ends_with(" from ")).then_some(name.split_once('\'')?.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Option<String> {
        let text = match name {
            "page.js" => {
                "// Imports './not-this.js'.\n\nimport { a, b } from './a.js';\nimport './b.js';\nimport('./later.js');\n"
            }
            "a.js" => "import c from './c.js';\n\nexport const a = 'from './d.js'';\n",
            "b.js" => "import { c } from './c.js';\nimport { a } from './a.js';\n",
            "c.js" => "import { a } from './a.js';\n",
            "broken.js" => "import { a } from './a.js';\nimport './lost.js';\n",
            _ => return None,
        };
        Some(text.to_owned())
    }

    #[test]
    fn whatever_is_imported_is_found_once_and_nearest_first() {
        assert_eq!(imported("page.js", read).unwrap(), ["a.js", "b.js", "c.js"]);
        assert_eq!(imported("c.js", read).unwrap(), ["a.js"]);
    }

    #[test]
    fn a_module_that_is_not_there_is_named() {
        assert_eq!(imported("broken.js", read).unwrap_err(), "lost.js");
        assert_eq!(imported("lost.js", read).unwrap_err(), "lost.js");
    }
}
