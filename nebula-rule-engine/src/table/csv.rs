//! Tables as CSV, as spreadsheets write it.
//!
//! ```text
//! first,input,input,output
//! fee,level,seats,rate: decimal
//! default,,,5
//! vip,'VIP',,0
//! ,,>= 4,2.5
//! ```

use csv::{ReaderBuilder, StringRecord, Writer};

use super::compile::MAX_COLUMNS;
use super::{InputDef, OutputDef, RowDef, TableDef};
use crate::error::{Error, ErrorKind, Result};
use crate::set::short_enough;
use crate::text::Source;

/// What separates priorities in one cell.
const SEPARATOR: char = ';';

fn bad(context: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, format!("a table in CSV: {context}"))
}

impl TableDef {
    /// Reads CSV. The first line has the hit policy and `input` or `output` for each column; the second the name of the
    /// table and what each input tests, or each output's `name: type`. After them, the first column is the name of the
    /// row. Rows named `names` (of inputs), `default` and `priorities` (from the highest, with `;` between) come first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] with the line; [`ErrorKind::TooLarge`].
    pub fn from_csv(text: &str) -> Result<Self> {
        short_enough(text)?;
        let mut reader = ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let mut records = reader.records();
        let mut header = || records.next().ok_or_else(|| bad("two lines of headings are missing"))?.map_err(bad);
        let (kinds, names): (StringRecord, StringRecord) = (header()?, header()?);
        let mut cells = kinds.iter().zip(&names);
        let (policy, id) = cells.next().ok_or_else(|| bad("an empty line"))?;
        let (mut inputs, mut outputs, mut is_input) = (Vec::new(), Vec::new(), Vec::new());
        for (kind, name) in cells {
            is_input.push(kind.trim() == "input");
            match kind.trim() {
                "input" => inputs.push(InputDef { expression: name.into(), name: None }),
                "output" => {
                    let (name, ty) = name.split_once(':').ok_or_else(|| bad(format!("`{name}` is no `name: type`")))?;
                    let (name, ty) = (name.trim().to_owned(), ty.parse()?);
                    outputs.push(OutputDef { name, ty, default: None, priorities: Vec::new() });
                }
                other => return Err(bad(format!("a column is `input` or `output`, not `{other}`"))),
            }
        }
        if is_input.len() > MAX_COLUMNS {
            return Err(Error::new(ErrorKind::TooLarge, format!("a table in CSV: more than {MAX_COLUMNS} columns")));
        }
        let (id, hit_policy) = (id.trim().to_owned(), policy.trim().parse()?);
        let mut table = Self { id, hit_policy, inputs, outputs, rows: Vec::new() };
        for record in records {
            let record = record.map_err(bad)?;
            let mut cells = record.iter();
            let name = cells.next().unwrap_or_default().trim();
            let (mut when, mut then) = (Vec::new(), Vec::new());
            for (cell, is_input) in cells.zip(&is_input) {
                if *is_input { when.push(Source::from(cell)) } else { then.push(Source::from(cell)) }
            }
            match name {
                "names" => {
                    let named = table.inputs.iter_mut().zip(when).filter(|(_, name)| !name.as_str().is_empty());
                    named.for_each(|(input, name)| input.name = Some(name.0));
                }
                "default" => {
                    let given = table.outputs.iter_mut().zip(then).filter(|(_, default)| !default.as_str().is_empty());
                    given.for_each(|(output, default)| output.default = Some(default));
                }
                "priorities" => {
                    let given = table.outputs.iter_mut().zip(then).filter(|(_, list)| !list.as_str().is_empty());
                    given.for_each(|(output, list)| {
                        output.priorities = list.as_str().split(SEPARATOR).map(|it| it.trim().into()).collect();
                    });
                }
                name => table.rows.push(RowDef { id: (!name.is_empty()).then(|| name.to_owned()), when, then }),
            }
        }
        Ok(table)
    }

    /// Writes CSV, inputs first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for what the form cannot say: priorities with a `;` in them, rows named like its own lines.
    pub fn to_csv(&self) -> Result<String> {
        let mut writer = Writer::from_writer(Vec::new());
        let mut write = |name: &str, inputs: Vec<String>, outputs: Vec<String>| {
            writer.write_record(std::iter::once(name.to_owned()).chain(inputs).chain(outputs)).map_err(bad)
        };
        let kinds = |kind: &str, count| vec![kind.to_owned(); count];
        let nothing = kinds("", self.inputs.len());
        write(&self.hit_policy.to_string(), kinds("input", self.inputs.len()), kinds("output", self.outputs.len()))?;
        let tested = self.inputs.iter().map(|input| input.expression.to_string()).collect();
        write(&self.id, tested, self.outputs.iter().map(|output| format!("{}: {}", output.name, output.ty)).collect())?;
        if self.inputs.iter().any(|input| input.name.is_some()) {
            let names = self.inputs.iter().map(|input| input.name.clone().unwrap_or_default()).collect();
            write("names", names, kinds("", self.outputs.len()))?;
        }
        if self.outputs.iter().any(|output| output.default.is_some()) {
            let default = |output: &OutputDef| output.default.as_ref().map(ToString::to_string).unwrap_or_default();
            write("default", nothing.clone(), self.outputs.iter().map(default).collect())?;
        }
        if self.outputs.iter().any(|output| !output.priorities.is_empty()) {
            if self.outputs.iter().flat_map(|output| &output.priorities).any(|it| it.as_str().contains(SEPARATOR)) {
                return Err(bad(format!("priorities with a `{SEPARATOR}` cannot be written")));
            }
            let list = |output: &OutputDef| {
                let list: Vec<&str> = output.priorities.iter().map(Source::as_str).collect();
                list.join(&format!("{SEPARATOR} "))
            };
            write("priorities", nothing, self.outputs.iter().map(list).collect())?;
        }
        for row in &self.rows {
            let name = row.id.as_deref().unwrap_or_default();
            if matches!(name, "names" | "default" | "priorities") {
                return Err(bad(format!("a row cannot be named `{name}`")));
            }
            let text = |cells: &[Source]| cells.iter().map(ToString::to_string).collect();
            write(name, text(&row.when), text(&row.then))?;
        }
        String::from_utf8(writer.into_inner().map_err(bad)?).map_err(bad)
    }
}
