//! `<Parameter>`: a name and a value for whoever the noun around it reaches. Sans-IO.

use roxmltree::Node;

use crate::finding::Finding;
use crate::twiml::Reading;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};

pub(crate) const ATTRIBUTES: &[Attribute] =
    &[attribute("name", Kind::Text, "Name."), attribute("value", Kind::Text, "Value.")];

/// Reads one; what was not written is empty.
pub(crate) fn read(
    node: Node<'_, '_>,
    reading: &mut Reading<'_>,
) -> Result<(String, String), Finding> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    reading.no_children(node);
    let text = |name| attributes.text(name).unwrap_or("").to_owned();
    Ok((text("name"), text("value")))
}
