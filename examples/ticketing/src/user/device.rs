//! What signs in: a browser or an app, as it calls itself.

use axum::http::{HeaderMap, HeaderName, header};
use nebula_auth::{DeviceFingerprint, Session};

use crate::risk;

/// What browsers and apps call themselves, the same at every visit.
const DEVICE_ID: HeaderName = HeaderName::from_static("device-id");
/// Longest name in the list of sign-ins, in characters.
const LABEL: usize = 200;

/// The device that asks. Anybody can copy what it says, so it proves nothing; that it is another one is worth telling.
#[derive(Clone, Debug)]
pub struct Device {
    label: Option<String>,
    print: DeviceFingerprint,
}

impl Device {
    /// The device that sent these headers: by `Device-Id`, or else by its program's name.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let said = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let agent = said(header::USER_AGENT).unwrap_or_default();
        let print = match said(DEVICE_ID).filter(|id| risk::plain(id)) {
            Some(id) => DeviceFingerprint::of(format!("id {id}")),
            None => DeviceFingerprint::of(format!("agent {agent}")),
        };
        let label = (!agent.is_empty()).then(|| agent.chars().take(LABEL).collect());
        Self { label, print }
    }

    /// What it is called in the list of sign-ins.
    pub(super) fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// What it is told apart by.
    pub(super) const fn print(&self) -> DeviceFingerprint {
        self.print
    }

    /// Whether that session was begun on it, as far as one can tell. Sessions from before there were marks have none.
    pub(super) fn began(&self, session: &Session) -> bool {
        match session.device {
            Some(print) => print == self.print,
            None => session.label.as_deref() == self.label(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(pairs: &[(&'static str, &str)]) -> Device {
        Device::of(&pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect())
    }

    #[test]
    fn a_device_is_its_own_name_or_its_programs() {
        let phone = device(&[("device-id", "abc"), ("user-agent", "Firefox/140")]);
        assert_eq!(phone.label(), Some("Firefox/140"));
        // A new version of the program is the same device.
        assert_eq!(phone.print(), device(&[("device-id", "abc"), ("user-agent", "Firefox/141")]).print());
        assert_ne!(phone.print(), device(&[("device-id", "abd"), ("user-agent", "Firefox/140")]).print());
        let plain = device(&[("user-agent", "curl/8")]);
        assert_eq!(plain.print(), device(&[("user-agent", "curl/8"), ("device-id", "no name at all")]).print());
        assert_ne!(plain.print(), device(&[("device-id", "curl/8")]).print());
        assert_eq!(device(&[]).print(), device(&[]).print());
    }
}
