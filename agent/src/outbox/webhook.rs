//! The webhook receiver: one request with the JSON document, or with what the operator's templates make of it.

use std::time::Duration;

use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};

use super::{
    exchange::Exchanges,
    post::{Letter, Post},
    receiver::{Message, Reply},
    signature,
    template::{Flaw, Template, context},
};
use crate::config::{self, Form};

/// The header that tells the attempts of one notification from another notification.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A client for one webhook.
pub struct Webhook {
    post: Post,
    config: config::Webhook,
}

impl Webhook {
    /// A client for `config`, whose attempts take `timeout` at most.
    ///
    /// # Errors
    /// When TLS cannot be set up, in words.
    pub fn new(config: &config::Webhook, timeout: Duration) -> Result<Self, String> {
        let hidden = config.form.templates().flat_map(Template::hidden);
        let post = hidden.fold(Post::new(&config.endpoint, timeout)?, Post::hiding);
        Ok(Self { post, config: config.clone() })
    }

    /// Makes one attempt.
    pub(super) async fn attempt(&self, message: &Message<'_>, exchanges: &mut Exchanges) -> Reply {
        match self.letter(message) {
            Ok(letter) => self.post.send(letter, message.now, exchanges).await,
            Err(error) => Reply::Refused { error },
        }
    }

    fn letter(&self, message: &Message<'_>) -> Result<Letter, String> {
        let id = &message.notification.idempotency_key;
        let key = HeaderValue::from_str(id).map_err(|_| "the notification has no key that could be sent")?;
        let mut letter = Letter::json(message.document.to_owned());
        letter.method = self.config.method.clone();
        self.fill_in(&self.config.form, message, &mut letter)?;
        letter.headers.extend(signature::headers(&self.config.secrets, id, message.now, &letter.body));
        letter.headers.insert(IDEMPOTENCY_KEY, key);
        Ok(letter)
    }

    fn fill_in(&self, form: &Form, message: &Message<'_>, letter: &mut Letter) -> Result<(), String> {
        if form.is_empty() {
            return Ok(());
        }
        let context = context(message.notification);
        let render = |what: &str, template: &Template| {
            let words = |flaw: Flaw| format!("the template of its {what} cannot be rendered: {flaw}");
            template.render(&context).map_err(words)
        };
        if let Some(url) = &form.url {
            letter.url = Some(self.same_place(&render("URL", url)?)?);
        }
        for (name, value) in &form.headers {
            let value = render("headers", value)?;
            let value = HeaderValue::from_bytes(value.trim().as_bytes());
            let mut value = value.map_err(|_| format!("its header {name} cannot be sent"))?;
            value.set_sensitive(true);
            letter.headers.insert(name, value);
        }
        if let Some(body) = &form.body {
            letter.body = render("body", &body.template)?;
            letter.content_type = body.content_type.clone();
        }
        Ok(())
    }

    /// The URL `text`, which leads to where the configuration says.
    fn same_place(&self, text: &str) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|_| "its template makes no URL")?;
        if url.origin().ascii_serialization() != self.config.endpoint.origin() {
            return Err("its template makes a URL that leads to somebody else".to_owned());
        }
        Ok(url)
    }
}
