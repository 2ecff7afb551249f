//! The cookie that carries a film over the end of its file token.
//!
//! It is `HttpOnly`, bound to the paths of its one file, and worth nothing by itself: a request also
//! needs the file token that playback began with, genuine and of the same subject. `Secure` and
//! `SameSite=None`, because a frontend is most often on another site than its gateway, and its
//! `<video>` would not send the cookie otherwise; `Partitioned`, because browsers that block
//! third-party cookies make an exception for it. Browsers take `Secure` cookies from
//! `http://localhost` and `http://127.0.0.1` too.

use http::header::{COOKIE, HeaderValue, SET_COOKIE};
use poem::Request;
use uuid::Uuid;

use super::grant;
use crate::api::documented::Download;
use crate::api::params::Fields;
use crate::api::problem::{FieldError, Problem};
use crate::api::state::State;
use crate::auth::{AuthError, MintedPlayback, ReadGrant};
use crate::files::Opened;

const NAME: &str = "filegateway-playback";

/// More cookies of this name are not looked at; a browser sends one.
const MAX_COOKIES: usize = 4;

/// Whom a request reads for, and whether the answer begins a playback.
pub(super) struct Playing {
    /// What the file token allows; once it is over, what the cookie does.
    pub(super) grant: ReadGrant,
    /// The good cookie's own grant.
    held: Option<ReadGrant>,
    /// Whether the file token is still good by itself.
    in_time: bool,
}

impl Playing {
    /// Puts what the file token says (`grant`, be it over or not) together with the cookie.
    ///
    /// # Errors
    /// [`AuthError::Expired`] when the token is over and no cookie continues it.
    pub(super) async fn of(
        state: &State,
        request: &Request,
        grant: ReadGrant,
        file: Uuid,
    ) -> Result<Self, AuthError> {
        let held = held(state, request, &grant, file).await;
        let in_time = !grant.remaining.is_zero();
        let grant = match (&held, in_time) {
            (_, true) => grant,
            (Some(held), false) => ReadGrant {
                caller: held.caller.clone(),
                file: grant.file.or(held.file),
                epoch: grant.epoch.min(held.epoch),
                // No longer than a token, so that a cache does not outlive a revocation by hours.
                remaining: held.remaining.min(state.tokens.lifetime()),
            },
            (None, false) => return Err(AuthError::Expired),
        };
        Ok(Self {
            grant,
            held,
            in_time,
        })
    }

    /// Sets the cookie for everything below `path`, the file's id included, unless the browser has a
    /// good one: it is never prolonged.
    ///
    /// # Errors
    /// When it can't be signed.
    pub(super) async fn begin(
        &self,
        state: &State,
        opened: &Opened,
        path: &str,
        mut answer: Download,
    ) -> Result<Download, AuthError> {
        let has_good_one =
            (self.held.as_ref()).is_some_and(|held| held.epoch >= opened.least_epoch);
        if self.in_time && !has_good_one && state.playback.is_on() {
            let minted = state.playback.mint(&self.grant, opened.file.id).await?;
            if let Ok(cookie) = HeaderValue::from_str(&cookie(path, &minted)) {
                answer.0.headers_mut().append(SET_COOKIE, cookie);
            }
        }
        Ok(answer)
    }
}

/// Whom `request` reads for, and the file: what every way of reading with a token begins with.
/// `fields` has what is wrong with the others.
///
/// # Errors
/// The token's problem before those of the fields.
pub(super) async fn playing(
    state: &State,
    request: &Request,
    mut fields: Fields,
    file_id: Result<Uuid, FieldError>,
    token: Result<String, FieldError>,
) -> Result<(Playing, Opened), Problem> {
    let file_id = fields.take(file_id);
    let Some(grant) = grant(state, &mut fields, token).await? else {
        return Err(fields.problem());
    };
    let id = match file_id {
        Some(id) if fields.is_fine() => id,
        // Of a token that is over and wrong fields, the token is told.
        _ => {
            grant.in_time()?;
            return Err(fields.problem());
        }
    };
    let playing = Playing::of(state, request, grant, id).await?;
    let opened = state.files.open(&playing.grant, id).await?;
    Ok((playing, opened))
}

fn cookie(path: &str, minted: &MintedPlayback) -> String {
    format!(
        "{NAME}={}; Path={path}; Max-Age={}; HttpOnly; Secure; SameSite=None; Partitioned",
        minted.token,
        minted.lifetime.as_secs()
    )
}

/// The good cookie of the token's own subject.
async fn held(
    state: &State,
    request: &Request,
    grant: &ReadGrant,
    file: Uuid,
) -> Option<ReadGrant> {
    for token in cookies(request).take(MAX_COOKIES) {
        if let Ok(held) = state.playback.check(token, file).await
            && held.caller.subject == grant.caller.subject
        {
            return Some(held);
        }
    }
    None
}

fn cookies(request: &Request) -> impl Iterator<Item = &str> {
    request
        .headers()
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == NAME)
        .map(|(_, value)| value)
}
