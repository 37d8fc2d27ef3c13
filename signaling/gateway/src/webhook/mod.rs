//! Webhooks: every HTTP request made to the customer's application. Shell, on tokio.
