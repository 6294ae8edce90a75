//! Mails and text messages about accounts: codes, and what happened to an account. They go out at once or not at all, and no record
//! keeps whom they went to.

use std::time::{Duration, SystemTime};

use nebula_auth::secrecy::{ExposeSecret, SecretString};
use nebula_notification::{
    Channel, Content, EmailAddress, Kind, MemoryTemplates, Notification, NotificationTemplate, Notifier, ParamSpec,
    Phone, Recipient,
};

use crate::{
    delivery::{Delivery, failed},
    language::Language,
    problem::{Problem, Result},
};

/// How long this process remembers what it sent.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// A mail or a text message about an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letter {
    /// A code to open an account.
    Register,
    /// A code to change an address.
    ChangeEmail,
    /// A code to set a forgotten password.
    ResetPassword,
    /// A code to sign in with a provider for the first time.
    SignIn,
    /// Somebody wanted an account with an address that has one.
    AccountExists,
    /// The password was changed.
    PasswordChanged,
    /// The address was changed; it goes to the former one.
    EmailChanged,
    /// An account can be entered by way of a provider from now on.
    SignInAdded,
    /// A code, to the telephone number that an account is to have.
    ConfirmPhone,
    /// A code to sign in with a telephone number.
    PhoneSignIn,
    /// A code to set a forgotten password, by a telephone number.
    PhoneReset,
    /// The account was entered on a device that it was not known on.
    NewDevice,
    /// A second factor was set up, or another one.
    SecondFactorOn,
    /// The second factor was taken away.
    SecondFactorOff,
}

impl Letter {
    const ALL: [Self; 14] = [
        Self::Register,
        Self::ChangeEmail,
        Self::ResetPassword,
        Self::SignIn,
        Self::AccountExists,
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::SignInAdded,
        Self::ConfirmPhone,
        Self::PhoneSignIn,
        Self::PhoneReset,
        Self::NewDevice,
        Self::SecondFactorOn,
        Self::SecondFactorOff,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "code-register",
            Self::ChangeEmail => "code-change-email",
            Self::ResetPassword => "code-reset-password",
            Self::SignIn => "code-sign-in",
            Self::AccountExists => "account-exists",
            Self::PasswordChanged => "password-changed",
            Self::EmailChanged => "email-changed",
            Self::SignInAdded => "sign-in-added",
            Self::ConfirmPhone => "code-confirm-phone",
            Self::PhoneSignIn => "code-phone-sign-in",
            Self::PhoneReset => "code-phone-reset",
            Self::NewDevice => "new-device",
            Self::SecondFactorOn => "second-factor-on",
            Self::SecondFactorOff => "second-factor-off",
        }
    }

    const fn has_code(self) -> bool {
        matches!(self, Self::Register | Self::ChangeEmail | Self::ResetPassword | Self::SignIn) || self.is_text()
    }

    /// Whether it goes to a telephone.
    pub(crate) const fn is_text(self) -> bool {
        matches!(self, Self::ConfirmPhone | Self::PhoneSignIn | Self::PhoneReset)
    }

    /// By which way.
    const fn channel(self) -> Channel {
        if self.is_text() { Channel::Sms } else { Channel::Email }
    }

    /// Title and text, in English and Chinese.
    const fn words(self) -> [[&'static str; 2]; 2] {
        match self {
            Self::Register => [
                [
                    "Your code: {{ code }}",
                    "Type {{ code }} to open your account at Nebula Tickets. The code holds for {{ minutes }} minutes.\n\nWas it not you? Then do nothing, and tell nobody the code.",
                ],
                [
                    "验证码：{{ code }}",
                    "您正在注册星云票务账户，验证码为 {{ code }}，{{ minutes }} 分钟内有效。\n\n如非本人操作，请忽略本邮件，切勿将验证码告诉他人。",
                ],
            ],
            Self::ChangeEmail => [
                [
                    "Your code: {{ code }}",
                    "Type {{ code }} to use this address for your account at Nebula Tickets. The code holds for {{ minutes }} minutes.\n\nWas it not you? Then do nothing, and tell nobody the code.",
                ],
                [
                    "验证码：{{ code }}",
                    "您正在将星云票务账户的邮箱更换为本地址，验证码为 {{ code }}，{{ minutes }} 分钟内有效。\n\n如非本人操作，请忽略本邮件，切勿将验证码告诉他人。",
                ],
            ],
            Self::ResetPassword => [
                [
                    "Your code: {{ code }}",
                    "Type {{ code }} to set a new password at Nebula Tickets. The code holds for {{ minutes }} minutes.\n\nWas it not you? Then do nothing, and tell nobody the code: your password stays as it is.",
                ],
                [
                    "验证码：{{ code }}",
                    "您正在重置星云票务账户的密码，验证码为 {{ code }}，{{ minutes }} 分钟内有效。\n\n如非本人操作，请忽略本邮件，切勿将验证码告诉他人；您的密码不会改变。",
                ],
            ],
            Self::SignIn => [
                [
                    "Your code: {{ code }}",
                    "Type {{ code }} to sign in at Nebula Tickets with your account elsewhere. From then on it opens your account here. The code holds for {{ minutes }} minutes.\n\nWas it not you? Then do nothing, and tell nobody the code: with it, somebody else could enter your account.",
                ],
                [
                    "验证码：{{ code }}",
                    "您正在使用第三方账户登录星云票务，验证码为 {{ code }}，{{ minutes }} 分钟内有效；验证后即可用该账户登录。\n\n如非本人操作，请忽略本邮件，切勿将验证码告诉他人，否则他人可能进入您的账户。",
                ],
            ],
            Self::SignInAdded => [
                [
                    "A way to sign in was added",
                    "Your account at Nebula Tickets can now be entered with an account elsewhere. Your account page shows which, and takes it away again.\n\nWas it not you? Take it away, and set a new password: {{ link }}/account",
                ],
                [
                    "已添加登录方式",
                    "您的星云票务账户现可使用第三方账户登录，可在账户页面查看或解除绑定。\n\n如非本人操作，请立即解除绑定并修改密码：{{ link }}/account",
                ],
            ],
            Self::ConfirmPhone => [
                [
                    "Your code: {{ code }}",
                    "{{ code }} is your code to confirm this number at Nebula Tickets. It holds for {{ minutes }} minutes. Tell it to nobody.",
                ],
                [
                    "验证码：{{ code }}",
                    "验证码 {{ code }}，用于在星云票务绑定本手机号，{{ minutes }} 分钟内有效。切勿告诉他人。",
                ],
            ],
            Self::PhoneSignIn => [
                [
                    "Your code: {{ code }}",
                    "{{ code }} is your code to sign in at Nebula Tickets. It holds for {{ minutes }} minutes. Tell it to nobody.",
                ],
                ["验证码：{{ code }}", "验证码 {{ code }}，用于登录星云票务，{{ minutes }} 分钟内有效。切勿告诉他人。"],
            ],
            Self::PhoneReset => [
                [
                    "Your code: {{ code }}",
                    "{{ code }} is your code to set a new password at Nebula Tickets. It holds for {{ minutes }} minutes. Tell it to nobody.",
                ],
                [
                    "验证码：{{ code }}",
                    "验证码 {{ code }}，用于重置星云票务密码，{{ minutes }} 分钟内有效。切勿告诉他人。",
                ],
            ],
            Self::NewDevice => [
                [
                    "Your account was entered on another device",
                    "Somebody has just signed in to your account at Nebula Tickets on a device that it was not used on before.\n\nWas it you? Then do nothing. Was it not you? Sign that device out, and set another password: {{ link }}/account",
                ],
                [
                    "账户在新设备上登录",
                    "您的星云票务账户刚刚在一台从未使用过的设备上登录。\n\n如为本人操作，无需处理；如非本人操作，请立即退出该设备并修改密码：{{ link }}/account",
                ],
            ],
            Self::SecondFactorOn => [
                [
                    "Two-step sign-in is on",
                    "From now on your account at Nebula Tickets asks for a code of your authenticator app. It was signed out on other devices.\n\nWas it not you? Set a new password at once, and tell the support: {{ link }}/forgot",
                ],
                [
                    "两步登录已启用",
                    "您的星云票务账户今后登录时须输入身份验证器的验证码，其他设备上的登录已失效。\n\n如非本人操作，请立即重置密码并联系客服：{{ link }}/forgot",
                ],
            ],
            Self::SecondFactorOff => [
                [
                    "Two-step sign-in is off",
                    "Your account at Nebula Tickets no longer asks for a code of your authenticator app. It was signed out on other devices.\n\nWas it not you? Set a new password at once, and switch it on again: {{ link }}/account",
                ],
                [
                    "两步登录已停用",
                    "您的星云票务账户登录时不再要求输入身份验证器的验证码，其他设备上的登录已失效。\n\n如非本人操作，请立即修改密码并重新启用：{{ link }}/account",
                ],
            ],
            Self::AccountExists => [
                [
                    "You have an account already",
                    "Somebody wanted to use this address at Nebula Tickets, but it has an account: sign in with it. If you forgot the password, set a new one.\n\n{{ link }}/login\n\nWas it not you? Then do nothing.",
                ],
                [
                    "该邮箱已注册",
                    "有人正在星云票务使用本邮箱，但它已注册账户：请直接登录；如忘记密码，可重置密码。\n\n{{ link }}/login\n\n如非本人操作，请忽略本邮件。",
                ],
            ],
            Self::PasswordChanged => [
                [
                    "Your password was changed",
                    "The password of your account at Nebula Tickets was changed, and the account was signed out on other devices.\n\nWas it not you? Set a new one at once: {{ link }}/forgot",
                ],
                [
                    "密码已修改",
                    "您的星云票务账户密码已修改，其他设备上的登录已失效。\n\n如非本人操作，请立即重置密码：{{ link }}/forgot",
                ],
            ],
            Self::EmailChanged => [
                [
                    "Your address was changed",
                    "Your account at Nebula Tickets has another mail address now; mails go there from now on.\n\nWas it not you? Tell the support: {{ link }}/",
                ],
                [
                    "邮箱已更换",
                    "您的星云票务账户已更换邮箱，今后的邮件将发送到新地址。\n\n如非本人操作，请联系客服：{{ link }}/",
                ],
            ],
        }
    }

    fn template(self) -> NotificationTemplate {
        let kind = if self.has_code() { Kind::Code } else { Kind::Notice };
        let [en, zh] = self.words().map(|[title, text]| Content::new().title(title).text(text));
        let template = NotificationTemplate::new(self.as_str(), kind).param("link", ParamSpec::text());
        let template = if self.has_code() {
            template.param("code", ParamSpec::text()).param("minutes", ParamSpec::integer())
        } else {
            template
        };
        template.channels([self.channel()]).content("en", en).content("zh", zh)
    }
}

/// Sends mails and text messages about accounts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Letters {
    notifier: Notifier,
    here: String,
    delivers: bool,
    texts: bool,
}

impl Letters {
    /// By the mail server of the configuration, or into the development outbox. Links lead to `here`.
    ///
    /// # Errors
    ///
    /// The configuration cannot work.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn open(delivery: &Delivery, here: String) -> nebula_notification::Result<Self> {
        let templates =
            || Letter::ALL.into_iter().try_fold(MemoryTemplates::new(), |known, letter| known.with(letter.template()));
        let notifier = delivery.notifier(templates).await?.build();
        let [delivers, texts] = [Channel::Email, Channel::Sms]
            .map(|channel| notifier.circuits().iter().any(|circuit| circuit.channel == channel));
        Ok(Self { notifier, here, delivers, texts })
    }

    /// Whether there is somewhere to send mails to.
    #[must_use]
    pub const fn delivers(&self) -> bool {
        self.delivers
    }

    /// Whether there is somewhere to send text messages to.
    #[must_use]
    pub const fn texts(&self) -> bool {
        self.texts
    }

    /// Sends a mail to an address, or a text message to a number; `code` is the code that it tells, and how long that holds.
    ///
    /// # Errors
    ///
    /// Nobody took it.
    ///
    /// # Cancel safety
    ///
    /// It may have been sent.
    pub async fn send(
        &self,
        letter: Letter,
        to: &str,
        language: Language,
        code: Option<(&SecretString, Duration)>,
    ) -> Result<()> {
        let recipient = match letter.channel() {
            Channel::Sms => Recipient::address_only(Phone::parse(to, None).map_err(failed)?),
            _ => Recipient::address_only(EmailAddress::new(to).map_err(failed)?),
        };
        let recipient = recipient.with_locale(language.as_str());
        let mut mail = Notification::new(letter.as_str()).to(recipient).param("link", self.here.as_str());
        if let Some((code, holds)) = code.filter(|_| letter.has_code()) {
            let minutes = i64::try_from(holds.as_secs().div_ceil(60)).unwrap_or(i64::MAX);
            mail = mail.param("code", code.expose_secret()).param("minutes", minutes);
        }
        let submission = self.notifier.send(mail).await.map_err(failed)?;
        submission.into_result().map(drop).map_err(Problem::unavailable)
    }

    /// Forgets what went out more than an hour ago: it is kept in memory.
    ///
    /// # Errors
    ///
    /// Never, as it is kept in memory.
    ///
    /// # Cancel safety
    ///
    /// Forgets some of it.
    pub async fn forget(&self) -> Result<u64> {
        let before = SystemTime::now().checked_sub(REMEMBERED).unwrap_or(SystemTime::UNIX_EPOCH);
        self.notifier.records().forget(before).await.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use nebula_notification::Params;

    use super::*;

    #[test]
    fn every_letter_is_written_in_both_languages_and_codes_are_in_those_that_have_one() {
        for letter in Letter::ALL {
            let mut params = Params::new().with("link", "http://here");
            if letter.has_code() {
                params = params.with("code", "424242").with("minutes", 5);
            }
            let [en, zh] = ["en", "zh"].map(|locale| letter.template().render(locale, &params).unwrap());
            for said in [&en, &zh] {
                let text = said.text.as_deref().unwrap();
                assert_eq!(text.contains("424242"), letter.has_code(), "{letter:?}: {text}");
            }
            assert_ne!(en.title, zh.title);
        }
    }
}
