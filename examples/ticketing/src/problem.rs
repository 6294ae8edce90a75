//! Errors as clients see them: RFC 9457 problem details with stable codes.

use std::fmt;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $status:ident, $title:literal;)+) => {
        /// A stable code: what went wrong, for programs. Codes are never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code as text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// A short summary that does not change from case to case.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// What it means and what to do.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)+ }
            }
        }
    };
}

codes! {
    /// The body is not JSON of the documented shape. `path` says where.
    MalformedRequest = "malformed-request", BAD_REQUEST, "The request cannot be read";
    /// A field has a value that is not allowed. `field` names it.
    InvalidValue = "invalid-value", UNPROCESSABLE_ENTITY, "A value is not allowed";
    /// The body is larger than this resource accepts.
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "The request body is too large";
    /// Send JSON with `Content-Type: application/json`.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The content type is not supported";
    /// There is no such resource, or it is not yours.
    NotFound = "not-found", NOT_FOUND, "There is no such resource";
    /// The resource exists but does not know this method.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "The method is not allowed here";
    /// Sign in and send the access token as `Authorization: Bearer …`.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "Sign in first";
    /// The access token has expired: exchange the refresh token for a new one.
    TokenExpired = "token-expired", UNAUTHORIZED, "The access token has expired";
    /// The token was not issued here or was altered.
    TokenInvalid = "token-invalid", UNAUTHORIZED, "The token is not valid";
    /// The refresh token is unknown, expired, revoked, or was used before: sign in again.
    RefreshRefused = "refresh-refused", UNAUTHORIZED, "The refresh token is not accepted";
    /// E-mail address and password do not match an account.
    WrongCredentials = "wrong-credentials", UNAUTHORIZED, "E-mail address or password is wrong";
    /// Too many attempts to sign in or to register, from this address or to this account: wait for the seconds in `Retry-After`.
    TooManyAttempts = "too-many-attempts", TOO_MANY_REQUESTS, "Too many attempts to sign in";
    /// The sign-in with the provider came to nothing: begin again. `reason` says why.
    ProviderRefused = "provider-refused", UNAUTHORIZED, "The provider did not sign you in";
    /// That account at the provider belongs to another account here: sign in with that one.
    IdentityTaken = "identity-taken", CONFLICT, "It belongs to another account";
    /// The account's role does not allow this.
    Forbidden = "forbidden", FORBIDDEN, "Your account may not do this";
    /// An account with this e-mail address exists.
    EmailTaken = "email-taken", CONFLICT, "The e-mail address is already registered";
    /// The code of the mail is wrong, used, or too old: ask for another one. `field` is `code`.
    CodeRefused = "code-refused", UNPROCESSABLE_ENTITY, "The code is not accepted";
    /// The code of the second step is wrong or was used, or the challenge is over. `reason` is `wrong_code`, `otp_replayed` or `challenge_exhausted`: after the last one sign in again.
    SecondFactorRefused = "second-factor-refused", UNPROCESSABLE_ENTITY, "The code is not accepted";
    /// Your role opens the back office only to a sign-in with a second factor: set one up at `/account`, or sign in with it.
    SecondFactorRequired = "second-factor-required", FORBIDDEN, "A second factor is needed";
    /// Show your second factor again (`POST /me/second-factor/show`); if you have none yet, sign in again.
    StepUpRequired = "step-up-required", FORBIDDEN, "Show again that it is you";
    /// The password breaks a rule; `detail` says which.
    PasswordRefused = "password-refused", UNPROCESSABLE_ENTITY, "The password is not acceptable";
    /// The authority says that this name and this document do not belong together. `reason` is `differs`, or `unknown` where there is no such document.
    IdentityRefused = "identity-refused", UNPROCESSABLE_ENTITY, "Name and document do not belong together";
    /// The document has all that one may have. `reason` is `accounts`, `tickets` (of this sale) or `day`; `limit` says how many.
    IdentityLimit = "identity-limit", CONFLICT, "The limit of this document is reached";
    /// The account belongs to somebody else, as far as was shown.
    IdentitySet = "identity-set", CONFLICT, "The account has another identity";
    /// Names and documents cannot be checked at present: the authority does not answer. Nothing was held.
    IdentityUnchecked = "identity-unchecked", SERVICE_UNAVAILABLE, "Names cannot be checked at present";
    /// The sale asks for names. `names` is `per-order` or `per-ticket`; `count` says how many are needed.
    RealNameRequired = "real-name-required", UNPROCESSABLE_ENTITY, "Say who the tickets are for";
    /// The list has as many entries as it may. `limit` says how many.
    ListFull = "list-full", CONFLICT, "The list is full";
    /// Something of this name is there already. `field` says which name.
    NameTaken = "name-taken", CONFLICT, "The name is taken";
    /// Somebody else has changed it since you read it: read it again, and change that. `version` is the one that is there.
    VersionConflict = "version-conflict", CONFLICT, "Somebody else was quicker";
    /// The job runs at this moment: wait until it has ended.
    JobRunning = "job-running", CONFLICT, "The job is running";
    /// Something else still needs it.
    InUse = "in-use", CONFLICT, "It is still in use";
    /// The invitation is unknown, over, used, or for another address; or the account works for another merchant.
    InvitationRefused = "invitation-refused", CONFLICT, "The invitation cannot be accepted";
    /// The seating plan cannot be used. `problems` says what is wrong and where; nothing was stored.
    PlanRefused = "plan-refused", UNPROCESSABLE_ENTITY, "The seating plan cannot be used";
    /// The picture cannot be used. `reason` is `kind`, `damaged`, `pixels` or `small`; nothing was kept.
    PictureRefused = "picture-refused", UNPROCESSABLE_ENTITY, "The picture cannot be used";
    /// The rules cannot be used. `problems` says what is wrong and where; those in force stay.
    RulesRefused = "rules-refused", UNPROCESSABLE_ENTITY, "The rules cannot be used";
    /// The coupon cannot be used for this purchase. `reason` is `unknown`, `stopped`, `not-yet`, `over`, `exhausted`, `buyer-limit`, `used`, `currency`, `minimum` or `no-effect`; nothing was held.
    CouponRefused = "coupon-refused", CONFLICT, "The coupon cannot be used";
    /// The merchant's rules give no price for these seats; the merchant has to mend them.
    NotPriced = "not-priced", CONFLICT, "These seats have no price at present";
    /// The plan of this session has no seat of that name. `seats` lists the unknown ones.
    UnknownSeat = "unknown-seat", UNPROCESSABLE_ENTITY, "There is no such seat in this session";
    /// An order takes 1 to 10 different seats.
    SeatCount = "seat-count", UNPROCESSABLE_ENTITY, "An order takes 1 to 10 seats";
    /// The same seat stands twice in the order.
    DuplicateSeat = "duplicate-seat", UNPROCESSABLE_ENTITY, "A seat stands twice in the order";
    /// Some of the seats belong to someone else. `seats` lists them; nothing was held.
    SeatTaken = "seat-taken", CONFLICT, "A seat is already taken";
    /// There are no such seats next to each other. `together` says how many are, `left` how many there are at all; nothing was held.
    NotTogether = "not-together", CONFLICT, "Not so many seats together";
    /// Of the seats that you asked for, fewer are left: `left`. Nothing was held; seats may come back when unpaid orders end.
    TooFewLeft = "too-few-left", CONFLICT, "Not so many seats left";
    /// No seat is left. Seats may come back when unpaid orders end.
    SoldOut = "sold-out", CONFLICT, "Sold out";
    /// With this order you would have more seats of the session than one buyer may.
    UserLimit = "user-limit", CONFLICT, "The limit of seats per buyer is reached";
    /// You have placed as many orders of this sale today as an account may. `limit` says how many; `until` says when the next day begins.
    DailyLimit = "daily-limit", CONFLICT, "The limit of orders per day is reached";
    /// With this order you would have more seats of this sale than one person may, over all accounts of your mailbox. `has` and `limit` say how many.
    PersonLimit = "person-limit", CONFLICT, "The limit of seats per person is reached";
    /// The sale has not begun. `opens_at` says when it does.
    SaleNotOpen = "sale-not-open", CONFLICT, "The sale is not open yet";
    /// The sale is over.
    SaleClosed = "sale-closed", CONFLICT, "The sale is closed";
    /// The domain of a session is settled a minute before its sale opens, and when somebody has ordered.
    SaleUnderWay = "sale-under-way", CONFLICT, "It is too late to change this";
    /// Too many requests of this kind, from this address, by you or by everybody: wait for the seconds in `Retry-After`.
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "Too many requests";
    /// Your account, network or device may not buy. `until` says when that ends, if it does; support can say why.
    Blocked = "blocked", FORBIDDEN, "You may not buy at present";
    /// Solve a challenge of `/sessions/{id}/challenges` and send the token that it gives as `Challenge-Token`.
    ChallengeRequired = "challenge-required", FORBIDDEN, "Show that you are a person";
    /// That was not the answer, or it came too late. Ask for another challenge.
    ChallengeFailed = "challenge-failed", UNPROCESSABLE_ENTITY, "The challenge was not solved";
    /// Only those who reserved before the sale may buy.
    ReservationRequired = "reservation-required", FORBIDDEN, "This sale is for those who reserved";
    /// Send the token that your reservation gives as `Qualification-Token`. `GET /sessions/{id}/admission` gives it again.
    QualificationRequired = "qualification-required", FORBIDDEN, "The token of your reservation is missing";
    /// This sale takes no reservations, or no more.
    ReservationClosed = "reservation-closed", CONFLICT, "Reservations are closed";
    /// Join the waiting room of `/sessions/{id}/waiting-room`; when it lets you in, send its token as `Admission-Token`.
    WaitingRoom = "waiting-room", FORBIDDEN, "The waiting room comes first";
    /// Your time inside is over, or you gave it up: join the waiting room again.
    AdmissionEnded = "admission-ended", FORBIDDEN, "Your admission has ended";
    /// The price is no longer `expected_total`. `total` is the price now; nothing was held.
    PriceChanged = "price-changed", CONFLICT, "The price has changed";
    /// The key was used for a different request. Use a fresh key.
    IdempotencyKeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "The idempotency key belongs to another request";
    /// The session's stock is being rebuilt, or its waiting room cannot be reached. Ask again in a moment.
    OneMoment = "one-moment", SERVICE_UNAVAILABLE, "One moment, please";
    /// The order's state does not allow this. `state` is its state now.
    OrderState = "order-state", CONFLICT, "The order's state does not allow this";
    /// The order has been paid for already.
    AlreadyPaid = "already-paid", CONFLICT, "The order is already paid";
    /// The time to pay is over and the seats were released.
    OrderExpired = "order-expired", CONFLICT, "The time to pay is over";
    /// The signature of the notification is missing or wrong.
    CallbackSignature = "callback-signature", UNAUTHORIZED, "The signature is not valid";
    /// The notification was signed too long ago, or in the future.
    CallbackStale = "callback-stale", UNAUTHORIZED, "The notification is out of its time window";
    /// This very notification was received before; nothing was changed. Do not send it again.
    CallbackReplayed = "callback-replayed", CONFLICT, "The notification was already received";
    /// Nothing goes back of this order. `reason` is `state`, `too-late`, `used` or `nothing-left`.
    RefundRefused = "refund-refused", CONFLICT, "Nothing goes back of this order";
    /// Another amount goes back than you believe. `amount` says which.
    RefundChanged = "refund-changed", CONFLICT, "Another amount goes back now";
    /// The refund is in a state in which there is nothing to decide. `state` names it.
    RefundState = "refund-state", CONFLICT, "There is nothing to decide about this refund";
    /// The till of that day was counted and closed: nothing goes into it or out of it any more.
    TillClosed = "till-closed", CONFLICT, "The till is closed";
    /// Whoever took money, or asked for it to go back, does not decide about it: that is for a colleague.
    OwnMoney = "own-money", FORBIDDEN, "Somebody else has to do this";
    /// The notification names another amount than the payment's; nothing was changed.
    CallbackAmount = "callback-amount", UNPROCESSABLE_ENTITY, "The amount does not match the payment";
    /// The server is busy: try again after the seconds in `Retry-After`.
    Busy = "busy", SERVICE_UNAVAILABLE, "The server is busy";
    /// There is too much to do, and this goes last. `class` is `extras`, `history`, `arrivals` or `orders`: come back after the seconds in `Retry-After`.
    Degraded = "degraded", SERVICE_UNAVAILABLE, "Not at present: there is too much to do";
    /// A part that this needs cannot be reached. Repeat the request with the same idempotency key.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "A part of the platform cannot be reached";
    /// The request took longer than the server allows. Repeat it with the same idempotency key.
    Timeout = "timeout", GATEWAY_TIMEOUT, "The request took too long";
    /// A defect on our side; it is logged under `request_id`.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong on our side";
}

/// A refusal or failure on its way to the client.
#[derive(Debug)]
pub struct Problem {
    /// What went wrong.
    pub code: Code,
    detail: String,
    members: Map<String, Value>,
    retry_after: Option<u32>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What handlers return.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

impl Problem {
    /// A problem; `detail` is for people and may name what the client sent, never a secret.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after =
            matches!(code, Code::OneMoment | Code::Busy | Code::Unavailable | Code::IdentityUnchecked).then_some(1);
        Self { code, detail: detail.into(), members: Map::new(), retry_after, source: None }
    }

    /// Adds a member to the body, for programs.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.members.insert(name.to_owned(), serde_json::to_value(value).unwrap_or(Value::Null));
        self
    }

    /// Says after how many seconds it is worth while to try again, in `Retry-After` and in the body.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self.with("retry_after", seconds)
    }

    /// Keeps the cause for the log; it is never shown to the client.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// A part of the platform failed; the client may repeat the request.
    #[must_use]
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(Code::Unavailable, "Repeat the request in a moment, with the same idempotency key.").caused_by(source)
    }

    /// A defect.
    #[must_use]
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(Code::Internal, "The error is logged.").caused_by(source)
    }

    /// Somebody else has changed it since it was read.
    #[must_use]
    pub fn stale() -> Self {
        Self::new(Code::VersionConflict, "It was changed since you read it: read it again.")
    }

    /// A field has a value that is not allowed; `detail` says what is.
    #[must_use]
    pub fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidValue, detail).with("field", field)
    }

    /// There is no such resource.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {what}."))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::RowNotFound | sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) => {
                Self::internal(error)
            }
            _ => Self::unavailable(error),
        }
    }
}

impl From<sea_orm::DbErr> for Problem {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::unavailable(error)
    }
}

impl From<nebula_lock::LockError> for Problem {
    /// A lock that was not had or was lost: somebody else works on it, or the lock's server is away.
    fn from(error: nebula_lock::LockError) -> Self {
        Self::unavailable(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        if status.is_server_error() {
            let cause = self.source.as_ref().map(|e| chain(e.as_ref()));
            tracing::warn!(code = self.code.as_str(), detail = %self.detail, cause, "request failed");
        }
        let mut body = Map::new();
        body.insert("type".into(), format!("/problems#{}", self.code.as_str()).into());
        body.insert("title".into(), self.code.title().into());
        body.insert("status".into(), status.as_u16().into());
        body.insert("code".into(), self.code.as_str().into());
        body.insert("detail".into(), self.detail.into());
        if let Some(id) = crate::request_id::current() {
            body.insert("request_id".into(), id.into());
        }
        body.extend(self.members);
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// An error and its causes in one line.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some errors repeat their cause in their own text.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
