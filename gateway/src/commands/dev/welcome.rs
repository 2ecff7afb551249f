//! What `gateway dev` prints: lines to paste, or one line for scripts.

use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use serde_json::json;

use super::identity::{CallerTokens, ORGANIZATION};

/// Everything that a script needs, in the form of `target/run.json`.
pub(super) fn for_scripts(
    address: SocketAddr,
    bucket: &str,
    tokens: &CallerTokens,
) -> anyhow::Result<()> {
    let line = json!({
        "kubeconfig": null,
        "gateways": [{
            "namespace": "dev",
            "name": "dev",
            "organization": ORGANIZATION,
            "url": url(address),
            "bucket": bucket,
            "tokens": tokens,
        }],
    });
    print(&format!("{line}\n"))
}

/// Lines that a person can paste into a shell.
pub(super) fn for_people(
    address: SocketAddr,
    data: &Path,
    video: bool,
    tokens: &CallerTokens,
) -> anyhow::Result<()> {
    let (url, data) = (url(address), data.display());
    let video = if video {
        "Videos are worked on with the ffmpeg on the PATH."
    } else {
        "ffmpeg or ffprobe is not on the PATH: videos are stored and served as they are."
    };
    let CallerTokens {
        member,
        other_member,
        admin,
    } = tokens;
    print(&format!(
        r#"
FileGateway on {url}, for the organization "{ORGANIZATION}". Everything is kept in {data}.
{video}
The page:    {url}/#{member}
Swagger UI:  {url}/docs  (Authorize with one of these; they are good for a day)

export MEMBER={member}
export OTHER_MEMBER={other_member}
export ADMIN={admin}

# Upload a file (repeat -F for more), see the answer, take its id:
UPLOADED=$(echo "Hello from FileGateway" | curl -sS {url}/v1/files -H "Authorization: Bearer $MEMBER" -F "files=@-;filename=hello.txt;type=text/plain")
echo "$UPLOADED"; ID=$(echo "$UPLOADED" | grep -o '"id":"[^"]*' | cut -d'"' -f4)

# Read it; get a file token and stream its first bytes, as a browser does; delete it:
curl -sS {url}/v1/files/$ID -H "Authorization: Bearer $MEMBER"
TOKEN=$(curl -sS "{url}/v1/files/token?file_id=$ID" -H "Authorization: Bearer $MEMBER" | grep -o '"token":"[^"]*' | cut -d'"' -f4)
curl -sSi "{url}/v1/files/stream/$ID?token=$TOKEN" -H "Range: bytes=0-4"
curl -sS -X DELETE {url}/v1/files/$ID -H "Authorization: Bearer $MEMBER"

Ctrl-C stops it.

"#
    ))
}

/// An address that can be opened in a browser: one that means every interface can't.
fn url(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{address}")
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("failed to print")
}
