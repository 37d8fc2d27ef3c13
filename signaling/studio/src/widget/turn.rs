//! A widget's view of the flow while it is entered or resumed: its properties, rendered, and a place for its result.

use shared::Code;

use crate::alert::Alert;
use crate::data::Data;
use crate::document::State;
use crate::order::{Answer, Order};
use crate::template;
use crate::twiml::Element;

/// How a flow goes on from a widget that it entered.
#[derive(Debug)]
pub(crate) enum Entered {
    /// With this event, at once.
    Event(&'static str),
    /// By this transition, at once: the place of a state, or the end.
    Way(&'static str, Option<usize>),
    /// With the call's next request, after this document.
    Document(Vec<Element>),
    /// With the answer to this order.
    Order(Order),
    /// Not at all: the execution fails, for the reason of the last alert.
    Failed,
}

/// See the module.
pub(crate) struct Turn<'t> {
    pub state: &'t State,
    pub context: &'t mut Data,
    pub unix_ms: i64,
    /// Names the widget in the URLs of its documents: a request that names an earlier one is late.
    pub step: usize,
    pub alerts: &'t mut Vec<Alert>,
    /// What `widgets.<name>` becomes; `None` leaves it.
    pub result: Option<Data>,
}

/// What a widget waited for.
#[derive(Clone, Copy)]
pub(crate) enum Arrival<'a> {
    /// A request of the call: its `FlowEvent`, and its parameters.
    Request(&'a str, &'a Data),
    /// The answer to the order.
    Answer(&'a Answer),
    /// Time is up.
    Timeout,
    /// The call ended and nothing reported how.
    CallEnded,
}

impl Arrival<'_> {
    /// A parameter of the request; empty where it has none.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        match self {
            Self::Request(_, parameters) => parameters.get(name).as_str().unwrap_or_default(),
            _ => "",
        }
    }

    /// The parameters with these names, as a result.
    pub(crate) fn some(&self, names: &[&str]) -> Data {
        let Self::Request(_, parameters) = self else { return Data::map() };
        let mut some = Data::map();
        for name in names {
            if let Some(text) = parameters.get(name).as_str() {
                some.put(name, Data::text(text));
            }
        }
        some
    }
}

impl Turn<'_> {
    /// A relative URL that leads back to the flow with this event.
    pub(crate) fn url(&self, event: &str) -> String {
        format!("?FlowEvent={event}&Step={}", self.step)
    }

    pub(crate) fn alert(&mut self, code: Code, message: impl Into<String>) {
        let message = format!("{}: {}", self.state.name, message.into());
        self.alerts.push(Alert::new(code, message));
    }

    /// A widget that the execution cannot run.
    pub(crate) fn not_fit(&mut self, message: &str) {
        let message = format!("{message} ({})", self.state.widget.name);
        self.alert(Code::STUDIO_NOT_FIT, message);
    }

    /// Renders a template; a fault of it is an empty text and an alert.
    pub(crate) fn render(&mut self, template: &str) -> String {
        match template::render(template, self.context, self.unix_ms) {
            Ok(text) => text,
            Err(fault) => {
                self.alert(Code::STUDIO_TEMPLATE, fault.to_string());
                String::new()
            }
        }
    }

    /// A property as text; empty where it has none.
    pub(crate) fn text(&mut self, name: &str) -> String {
        match self.state.properties.get(name) {
            Data::Text(template) => self.render(template),
            Data::Integer(number) => number.to_string(),
            Data::Bool(flag) => flag.to_string(),
            _ => String::new(),
        }
    }

    /// A property as text; `None` where it is empty.
    pub(crate) fn some_text(&mut self, name: &str) -> Option<String> {
        let text = self.text(name).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// A property as a whole number; `None` where it has none. A template that makes something else is a fault.
    pub(crate) fn number(&mut self, name: &str) -> Option<u32> {
        let text = self.some_text(name)?;
        let number = text.parse().ok();
        if number.is_none() {
            self.alert(Code::STUDIO_TYPE, format!("{name} is not a whole number: {text}"));
        }
        number
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        match self.state.properties.get(name) {
            Data::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// A property that is a list of `{key, value}`, the values rendered.
    pub(crate) fn pairs(&mut self, name: &str) -> Vec<(String, String)> {
        let state = self.state;
        let Data::List(list) = state.properties.get(name) else { return Vec::new() };
        let pairs = list.iter().map(|pair| {
            let text = |key| pair.get(key).as_str().unwrap_or_default();
            (self.render(text("key")), self.render(text("value")))
        });
        pairs.collect()
    }

    /// The address of the other side.
    pub(crate) fn contact(&self) -> String {
        self.address("contact")
    }

    /// Our own address.
    pub(crate) fn own_address(&self) -> String {
        self.address("flow")
    }

    fn address(&self, whose: &str) -> String {
        let address = self.context.at(&[whose, "channel", "address"]);
        address.as_str().unwrap_or_default().to_owned()
    }
}
