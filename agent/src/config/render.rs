//! Faults as people read them: the line, the offending text underlined, a hint.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::fault::{Fault, Faults};

/// More than this nobody reads at once.
const MOST_SHOWN: usize = 100;

impl Faults {
    /// All faults as text for a terminal, with a count at the end. Secrets in quoted lines are blanked out.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for fault in self.iter().take(MOST_SHOWN) {
            text += &self.render_one(fault, &renderer);
            text += "\n\n";
        }
        let (file, count) = (self.file.display(), self.len());
        text += &match count {
            1 => format!("1 fault in {file}\n"),
            _ if count > MOST_SHOWN => {
                format!("{count} faults in {file}; these are the first {MOST_SHOWN}\n")
            }
            _ => format!("{count} faults in {file}\n"),
        };
        text
    }

    fn render_one(&self, fault: &Fault, renderer: &Renderer) -> String {
        let related = fault.related.iter().map(|related| {
            AnnotationKind::Context.span(related.span.clone()).label(related.message.as_str())
        });
        let snippet = Snippet::source(self.shown.as_str())
            .path(self.file.to_string_lossy().into_owned())
            .annotation(AnnotationKind::Primary.span(fault.span.clone()))
            .annotations(related);
        let report = Level::ERROR.primary_title(fault.message.as_str()).element(snippet);
        let report = match &fault.hint {
            Some(hint) => report.element(Level::HELP.message(hint.as_str())),
            None => report,
        };
        renderer.render(&[report])
    }
}
