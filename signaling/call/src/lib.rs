//! Sans-IO call: TwiML, verbs, webhooks as forms, status, signature.
