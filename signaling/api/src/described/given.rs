//! A form as the parameters of a kind of resource, by their descriptions.

use store::{Description, Given, Parameter, Patch, Post, Value, View, WriteError};

use crate::form::{Form, value_of};

/// Reads the parameters that a request takes. Of each, an absent value keeps the old one and an empty one clears it.
/// The view that a row is created in sets its own.
pub(crate) fn read(
    form: &Form,
    description: &Description,
    view: Option<View>,
    post: Post,
) -> Result<Given, WriteError> {
    let values = description.parameters.iter().map(|parameter| {
        if let Some(view) = view.filter(|view| view.parameter == parameter.name) {
            return Ok(Patch::Set(view.value.into()));
        }
        if !parameter.taken.has(post) {
            return Ok(Patch::Keep);
        }
        match form.raw(parameter.name) {
            None => Ok(Patch::Keep),
            Some("") => Ok(Patch::Clear),
            Some(text) => value(parameter, text).map(Patch::Set),
        }
    });
    let values = values.collect::<Result<Vec<_>, _>>()?;
    let given = Given::from_values(description.kind, values);
    debug_assert!(given.is_some(), "each form of {} makes a value of its field", description.table);
    // Cannot fail: a parameter's form gives values of its field's type.
    given.ok_or_else(WriteError::unavailable)
}

/// A value that is not empty, of the parameter's form.
fn value(parameter: &Parameter, text: &str) -> Result<Value, WriteError> {
    let value = value_of(parameter.name, text, parameter.form, parameter.code)?;
    match parameter.refused {
        // `false` asks for what is the case, so it is accepted.
        Some((code, sentence)) if value != Value::Integer(0) => {
            Err(WriteError::invalid(code, sentence))
        }
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use shared::Code;
    use store::{DomainParameters, ResourceKind};

    use super::*;

    fn domain(body: &[u8], post: Post) -> Result<DomainParameters, Code> {
        match read(&Form::parse(body), ResourceKind::Domain.description(), None, post) {
            Ok(Given::Domain(given)) => Ok(*given),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.code),
        }
    }

    #[test]
    fn absent_keeps_and_empty_clears() {
        let given = domain(b"VoiceUrl=&FriendlyName=x&SipRegistration=TRUE", Post::Update).unwrap();
        assert_eq!(given.voice_url, Patch::Clear);
        assert_eq!(given.friendly_name, Patch::Set("x".to_owned()));
        assert_eq!((given.secure, given.sip_registration), (Patch::Keep, Patch::Set(true)));
    }

    #[test]
    fn what_is_not_built_can_be_cleared_and_not_set() {
        let cleared = "EmergencyCallingEnabled=false&ByocTrunkSid=&EmergencyCallerSid=";
        let given = domain(cleared.as_bytes(), Post::Create).unwrap();
        assert_eq!(given.emergency_calling_enabled, Patch::Set(false));
        assert_eq!(
            (given.byoc_trunk_sid, given.emergency_caller_sid),
            (Patch::Clear, Patch::Clear)
        );
        let trunk = format!("ByocTrunkSid=BY{:032x}", 1);
        assert_eq!(domain(trunk.as_bytes(), Post::Create), Err(Code::BYOC_TRUNK_SID));
        assert_eq!(
            domain(b"EmergencyCallingEnabled=true", Post::Create),
            Err(Code::DOMAIN_PARAMETER)
        );
    }

    #[test]
    fn a_parameter_that_a_request_does_not_take_is_ignored() {
        let description = ResourceKind::Credential.description();
        let read = |post| read(&Form::parse(b"Username=a"), description, None, post).unwrap();
        let named =
            |given| matches!(given, Given::Credential(given) if given.username.value().is_some());
        assert!(named(read(Post::Create)) && !named(read(Post::Update)));
    }

    #[test]
    fn each_form_makes_a_value_of_its_parameters_type() {
        for kind in ResourceKind::ALL {
            for parameter in kind.description().parameters {
                let text = match parameter.form {
                    // What is not built takes no other value.
                    form if parameter.refused.is_some() && form != store::Form::Boolean => "",
                    store::Form::Text | store::Form::Name(_) | store::Form::Secret => "a",
                    store::Form::Url => "https://a.example/",
                    store::Form::Method => "GET",
                    store::Form::Boolean => "false",
                    store::Form::Number(..) => "1",
                    store::Form::Address => "192.0.2.1",
                    store::Form::PhoneNumber => "%2B15005550006",
                    store::Form::Word(words) => words[0],
                    store::Form::Level(words) => words[0].0,
                    store::Form::Sid(_) => "",
                };
                let body = format!("{}={text}", parameter.name);
                for post in [Post::Create, Post::Update] {
                    read(&Form::parse(body.as_bytes()), kind.description(), None, post)
                        .unwrap_or_else(|error| panic!("{body}: {error}"));
                }
            }
        }
    }
}
