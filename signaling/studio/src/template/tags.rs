//! Tags: those of the language that need no bound, and `for` and `assign` of our own within the budget.
//!
//! A loop takes [`STUDIO_TEMPLATE_TURNS_MAX`] turns, whatever its list or range is, and never makes the list first.

use std::collections::HashMap;
use std::io::Write;

use liquid_core::model::{KString, KStringRef, ValueCow};
use liquid_core::parser::{BlockElement, FilterChain, TryMatchToken};
use liquid_core::runtime::{Expression, Interrupt, InterruptRegister, StackFrame};
use liquid_core::{
    BlockReflection, Language, ParseBlock, ParseTag, Renderable, Result, Runtime, TagBlock,
    TagReflection, TagTokenIter, Template, Value, ValueView,
};
use liquid_lib::stdlib::{self, ForloopObject};
use shared::limits::STUDIO_TEMPLATE_TURNS_MAX;

use super::budget::{pay, pay_for};
use crate::data::Data;

pub(super) fn register(language: &mut Language) {
    let Language { tags, blocks, .. } = language;
    macro_rules! tags {
        ($($name:literal $tag:expr;)*) => { $(tags.register($name.to_owned(), Box::new($tag));)* };
    }
    macro_rules! blocks {
        ($($name:literal $block:expr;)*) => { $(blocks.register($name.to_owned(), Box::new($block));)* };
    }
    tags! {
        "assign" AssignTag;
        "break" stdlib::BreakTag;
        "continue" stdlib::ContinueTag;
        "cycle" stdlib::CycleTag;
        "decrement" stdlib::DecrementTag;
        "increment" stdlib::IncrementTag;
    }
    // Without `include` and `render`: there are no other templates.
    blocks! {
        "capture" stdlib::CaptureBlock;
        "case" stdlib::CaseBlock;
        "comment" stdlib::CommentBlock;
        "for" ForBlock;
        "if" stdlib::IfBlock;
        "raw" stdlib::RawBlock;
        "unless" stdlib::UnlessBlock;
    }
}

#[derive(Clone, Copy)]
struct AssignTag;

impl TagReflection for AssignTag {
    fn tag(&self) -> &'static str {
        "assign"
    }
    fn description(&self) -> &'static str {
        ""
    }
}

impl ParseTag for AssignTag {
    fn parse(
        &self,
        mut given: TagTokenIter<'_>,
        language: &Language,
    ) -> Result<Box<dyn Renderable>> {
        let name = given.expect_next("A name is missing")?.expect_identifier().into_result()?;
        let name = KString::from_ref(name);
        given.expect_next("`=` is missing")?.expect_str("=").into_result()?;
        let value = given.expect_next("A value is missing")?;
        let value = value.expect_filter_chain(language).into_result()?;
        given.expect_nothing()?;
        Ok(Box::new(Assign { name, value }))
    }

    fn reflection(&self) -> &dyn TagReflection {
        self
    }
}

#[derive(Debug)]
struct Assign {
    name: KString,
    value: FilterChain,
}

impl Renderable for Assign {
    fn render_to(&self, _: &mut dyn Write, runtime: &dyn Runtime) -> Result<()> {
        let value = self.value.evaluate(runtime)?;
        // Before the copy: an object is paid for by its JSON.
        match value.as_scalar() {
            Some(_) => pay_for(runtime, value.as_view())?,
            None => pay(runtime, value.source().to_string().len())?,
        }
        let value = value.into_owned();
        runtime.set_global(self.name.clone(), value);
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct ForBlock;

impl BlockReflection for ForBlock {
    fn start_tag(&self) -> &'static str {
        "for"
    }
    fn end_tag(&self) -> &'static str {
        "endfor"
    }
    fn description(&self) -> &'static str {
        ""
    }
}

impl ParseBlock for ForBlock {
    fn parse(
        &self,
        mut given: TagTokenIter<'_>,
        mut inside: TagBlock<'_, '_>,
        language: &Language,
    ) -> Result<Box<dyn Renderable>> {
        let name = given.expect_next("A name is missing")?.expect_identifier().into_result()?;
        let name = KString::from_ref(name);
        given.expect_next("`in` is missing")?.expect_str("in").into_result()?;
        let source = given.expect_next("A list or range is missing")?;
        let source = match source.expect_value() {
            TryMatchToken::Matches(list) => Source::List(list),
            TryMatchToken::Fails(range) => {
                let (first, last) = range.expect_range().into_result()?;
                Source::Range(first, last)
            }
        };
        let mut block = For {
            name,
            source,
            limit: None,
            offset: None,
            reversed: false,
            body: Template::new(Vec::new()),
            otherwise: None,
        };
        block.read_options(&mut given)?;
        block.read_body(&mut inside, language)?;
        inside.assert_empty();
        Ok(Box::new(block))
    }

    fn reflection(&self) -> &dyn BlockReflection {
        self
    }
}

#[derive(Debug)]
enum Source {
    List(Expression),
    Range(Expression, Expression),
}

#[derive(Debug)]
struct For {
    name: KString,
    source: Source,
    limit: Option<Expression>,
    offset: Option<Expression>,
    reversed: bool,
    body: Template,
    /// Rendered where there is no item.
    otherwise: Option<Template>,
}

impl For {
    fn read_options(&mut self, given: &mut TagTokenIter<'_>) -> Result<()> {
        while let Some(option) = given.next() {
            match option.as_str() {
                "limit" => self.limit = Some(option_value(given)?),
                "offset" => self.offset = Some(option_value(given)?),
                "reversed" => self.reversed = true,
                _ => {
                    let expected = "`limit`, `offset` or `reversed` expected";
                    return option.raise_custom_error(expected).into_err();
                }
            }
        }
        Ok(())
    }

    fn read_body(&mut self, inside: &mut TagBlock<'_, '_>, language: &Language) -> Result<()> {
        let mut body = Vec::new();
        while let Some(element) = inside.next()? {
            match element {
                BlockElement::Tag(tag) if tag.name() == "else" => {
                    self.otherwise = Some(Template::new(inside.parse_all(language)?));
                    break;
                }
                element => body.push(element.parse(inside, language)?),
            }
        }
        self.body = Template::new(body);
        Ok(())
    }

    /// The items of the turns, and no more: a range of a billion costs what its first turns cost.
    fn items(&self, value: &ValueCow<'_>, runtime: &dyn Runtime) -> Result<Vec<Data>> {
        let offset = number(self.offset.as_ref(), runtime)?.unwrap_or(0);
        let limit = number(self.limit.as_ref(), runtime)?.unwrap_or(usize::MAX);
        let limit = limit.min(STUDIO_TEMPLATE_TURNS_MAX);
        let source: Box<dyn Iterator<Item = Data> + '_> = match &self.source {
            Source::Range(first, last) => {
                let bound = |bound: &Expression| -> Result<i64> {
                    let value = bound.evaluate(runtime)?;
                    Ok(value.as_scalar().and_then(|scalar| scalar.to_integer()).unwrap_or(0))
                };
                let (first, last) = (bound(first)?, bound(last)?);
                Box::new((first..=last).map(Data::Integer))
            }
            Source::List(_) => match (value.as_array(), value.as_object()) {
                (Some(list), _) => Box::new(list.values().map(Data::from_view)),
                (None, Some(object)) => Box::new(object.iter().map(|(key, value)| {
                    Data::List(vec![Data::text(key.as_str()), Data::from_view(value)])
                })),
                (None, None) => Box::new(std::iter::empty()),
            },
        };
        let mut items: Vec<_> = source.skip(offset).take(limit).collect();
        if self.reversed {
            items.reverse();
        }
        Ok(items)
    }
}

fn number(option: Option<&Expression>, runtime: &dyn Runtime) -> Result<Option<usize>> {
    let Some(option) = option else { return Ok(None) };
    let value = option.evaluate(runtime)?;
    let number = value.as_scalar().and_then(|scalar| scalar.to_integer());
    Ok(number.map(|number| usize::try_from(number).unwrap_or(0)))
}

fn option_value(given: &mut TagTokenIter<'_>) -> Result<Expression> {
    given.expect_next("`:` is missing")?.expect_str(":").into_result()?;
    given.expect_next("A value is missing")?.expect_value().into_result()
}

impl Renderable for For {
    fn render_to(&self, writer: &mut dyn Write, runtime: &dyn Runtime) -> Result<()> {
        let value = match &self.source {
            Source::List(list) => list.evaluate(runtime)?,
            Source::Range(..) => ValueCow::Owned(Value::Nil),
        };
        let items = self.items(&value, runtime)?;
        if items.is_empty() {
            return self.otherwise.as_ref().map_or(Ok(()), |t| t.render_to(writer, runtime));
        }
        for (index, item) in items.iter().enumerate() {
            pay(runtime, 0)?;
            let forloop = ForloopObject::new(index, items.len());
            let mut names = HashMap::<KStringRef<'_>, &dyn ValueView>::new();
            names.insert("forloop".into(), &forloop);
            names.insert(self.name.as_ref(), item);
            let frame = StackFrame::new(runtime, &names);
            self.body.render_to(writer, &frame)?;
            let interrupt = frame.registers().get_mut::<InterruptRegister>().reset();
            if matches!(interrupt, Some(Interrupt::Break)) {
                break;
            }
        }
        Ok(())
    }
}
