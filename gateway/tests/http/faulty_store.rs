//! A proxy in front of versitygw that answers chosen calls as a store in trouble does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{SockFilter, SockRef};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::worlds::variable;

/// A call of S3's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Put,
    Create,
    Part,
    Complete,
    Abort,
    Get,
    Delete,
    Other,
}

/// What happens to a call.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The server never hears of it: the proxy answers with this status and code.
    Answer(u16, &'static str),
    /// The same, but the server did the work.
    DoneBut(u16, &'static str),
    /// The connection is reset, and the server never hears of it.
    Reset,
    /// The connection is reset when the server has done the work.
    Lost,
    /// The answer's body breaks off in the middle.
    Cut,
    /// Half of the body, announced as if it were all.
    Shorter,
    /// The answer carries another ETag.
    OtherTag,
    /// The server does the work, and its node is gone before it answers: the client's packets are not
    /// even acknowledged any more.
    Vanished,
    /// The answer comes so much later.
    Late(Duration),
    /// The client is sent somewhere else.
    Elsewhere(String),
}

struct Planned {
    call: Call,
    skipped: usize,
    times: usize,
    fault: Fault,
}

#[derive(Default)]
struct Script {
    planned: Vec<Planned>,
    seen: Vec<Call>,
}

pub(crate) struct FaultyStore {
    pub(crate) endpoint: String,
    script: Arc<Mutex<Script>>,
    frozen: watch::Sender<u64>,
    _accepting: AbortOnDropHandle<()>,
}

impl FaultyStore {
    pub(crate) async fn start() -> Self {
        let server = variable("FGW_TEST_S3_ENDPOINT");
        let server = server.trim_start_matches("http://").trim_end_matches('/');
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::<Mutex<Script>>::default();
        let (frozen, freezing) = watch::channel(0);
        let shared = script.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (server, script) = (server.clone(), shared.clone());
                let mut freezing = freezing.clone();
                freezing.mark_unchanged();
                tokio::spawn(async move {
                    let mut client = BufStream::new(client);
                    tokio::select! {
                        served = serve(&mut client, &server, &script) => {
                            served.ok();
                        }
                        Ok(()) = freezing.changed() => vanish(client.get_ref()).await,
                    }
                });
            }
        });
        Self {
            endpoint,
            script,
            frozen,
            _accepting: AbortOnDropHandle::new(accepting),
        }
    }

    /// From now on, lets `skipped` calls of this kind pass and spoils the `times` after them.
    pub(crate) fn spoil(&self, call: Call, skipped: usize, times: usize, fault: Fault) {
        let mut script = self.script.lock().unwrap();
        script.seen.clear();
        script.planned.push(Planned {
            call,
            skipped,
            times,
            fault,
        });
    }

    /// Forgets the faults that did not happen yet; says how many there were.
    pub(crate) fn heal(&self) -> usize {
        let planned = std::mem::take(&mut self.script.lock().unwrap().planned);
        planned.iter().map(|planned| planned.times).sum()
    }

    /// How many calls of this kind came since the last fault was planned.
    pub(crate) fn seen(&self, call: Call) -> usize {
        let script = self.script.lock().unwrap();
        script.seen.iter().filter(|seen| **seen == call).count()
    }

    /// Makes every connection that is open now a dead one, without telling the client: as behind a
    /// firewall that forgot it, no byte comes, no acknowledgement, and no end either.
    pub(crate) fn forget_connections(&self) {
        self.frozen.send_modify(|times| *times += 1);
    }
}

impl Script {
    fn next(&mut self, call: Call) -> Option<Fault> {
        self.seen.push(call);
        let mut planned = self.planned.iter_mut();
        let planned = planned.find(|planned| planned.call == call && planned.times > 0)?;
        if planned.skipped > 0 {
            planned.skipped -= 1;
            return None;
        }
        planned.times -= 1;
        Some(planned.fault.clone())
    }
}

/// A request or an answer.
struct Message {
    head: String,
    body: Vec<u8>,
}

impl Message {
    /// Reads one; `None` at the end. `bodiless`: it only says how long its body would be.
    async fn read(
        from: &mut BufStream<TcpStream>,
        bodiless: bool,
    ) -> std::io::Result<Option<Self>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if from.read_until(b'\n', &mut head).await? == 0 {
                return Ok(None);
            }
        }
        let head = String::from_utf8(head).unwrap();
        let lower = head.to_lowercase();
        assert!(!lower.contains("\r\ntransfer-encoding:"), "{head}");
        let length = header(&lower, "content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; if bodiless { 0 } else { length }];
        from.read_exact(&mut body).await?;
        Ok(Some(Self { head, body }))
    }

    fn failure(status: u16, code: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
             <Message>as planned</Message><RequestId>1</RequestId></Error>"
        );
        let head = format!(
            "HTTP/1.1 {status} Planned\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Self {
            head,
            body: body.into_bytes(),
        }
    }

    async fn write(&self, to: &mut BufStream<TcpStream>) -> std::io::Result<()> {
        to.write_all(self.head.as_bytes()).await?;
        to.write_all(&self.body).await?;
        to.flush().await
    }

    fn call(&self) -> Call {
        let mut words = self.head.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let has = |name: &str| {
            let mut pairs = query.split('&');
            pairs.any(|pair| pair.split('=').next() == Some(name))
        };
        match method {
            "PUT" if has("partNumber") => Call::Part,
            "PUT" => Call::Put,
            "POST" if has("uploads") => Call::Create,
            "POST" if has("uploadId") => Call::Complete,
            "DELETE" if has("uploadId") => Call::Abort,
            "DELETE" => Call::Delete,
            "GET" if !has("list-type") && !has("uploads") => Call::Get,
            _ => Call::Other,
        }
    }
}

/// A header's value, its name in lower case.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Puts another value into a header of an answer, which must have it.
fn replace(head: &str, name: &str, value: &str) -> String {
    let lines = head.split("\r\n").map(|line| {
        let is_it = line.to_lowercase().starts_with(&format!("{name}: "));
        match is_it {
            true => format!("{name}: {value}"),
            false => line.to_owned(),
        }
    });
    let replaced = lines.collect::<Vec<_>>().join("\r\n");
    assert_ne!(replaced, head, "no {name}");
    replaced
}

/// Drops whatever the client still sends, below the kernel's TCP: `ret 0`, as a filter of packets.
async fn vanish(client: &TcpStream) {
    let nothing = [SockFilter::new(0x06, 0, 0, 0)];
    SockRef::from(client).attach_filter(&nothing).unwrap();
    std::future::pending().await
}

async fn serve(
    client: &mut BufStream<TcpStream>,
    server: &str,
    script: &Mutex<Script>,
) -> std::io::Result<()> {
    let mut server = BufStream::new(TcpStream::connect(server).await?);
    while let Some(request) = Message::read(client, false).await? {
        let fault = script.lock().unwrap().next(request.call());
        match &fault {
            Some(Fault::Answer(status, code)) => {
                Message::failure(*status, code).write(client).await?;
                continue;
            }
            Some(Fault::Elsewhere(url)) => {
                let mut answer = Message::failure(307, "TemporaryRedirect");
                let location = format!("\r\nLocation: {url}/elsewhere\r\n\r\n");
                answer.head = answer.head.replace("\r\n\r\n", &location);
                answer.write(client).await?;
                continue;
            }
            Some(Fault::Reset) => return client.get_ref().set_zero_linger(),
            // A server that refuses may do so before it has read all.
            _ => request.write(&mut server).await.unwrap_or_default(),
        }
        let bodiless = request.head.starts_with("HEAD ");
        let Some(mut answer) = Message::read(&mut server, bodiless).await? else {
            return Ok(());
        };
        let half = answer.body.len() / 2;
        match fault {
            Some(Fault::DoneBut(status, code)) => answer = Message::failure(status, code),
            Some(Fault::Lost) => return client.get_ref().set_zero_linger(),
            Some(Fault::Vanished) => vanish(client.get_ref()).await,
            Some(Fault::Late(wait)) => tokio::time::sleep(wait).await,
            Some(Fault::Cut) => {
                answer.body.truncate(half);
                return answer.write(client).await;
            }
            Some(Fault::Shorter) => {
                answer.body.truncate(half);
                answer.head = replace(&answer.head, "content-length", &half.to_string());
            }
            Some(Fault::OtherTag) => {
                let tag = "\"00000000000000000000000000000000\"";
                answer.head = replace(&answer.head, "etag", tag);
            }
            _ => {}
        }
        answer.write(client).await?;
    }
    Ok(())
}
