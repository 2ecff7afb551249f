//! Two servers on one database and one bucket, each killed again and again in the middle of uploads:
//! nothing that was acknowledged is lost, and what was not leaves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use gateway::app::App;
use gateway::config::Config;
use gateway::store::Keys;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tokio::sync::oneshot::Receiver;
use uuid::Uuid;

use crate::served::{Served, Server, member};
use crate::tus::{MIB, begin, body, file_id, offset, piece, resume, standing};

/// `FGW_TEST_SEED=n` repeats the choices of a run.
const SEED: u64 = 20_261_125;
const LEAST_ROUNDS: usize = 20;
const ENOUGH: Duration = Duration::from_secs(40);
const LARGEST: usize = 20 * MIB;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_survive_that_servers_are_killed() {
    let seed = std::env::var("FGW_TEST_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    println!("FGW_TEST_SEED={seed}");
    let mut served = Served::start_on_postgres("warn", &[]).await;
    served.process.terminate();
    assert!(served.process.ends_well());
    let mut random = StdRng::seed_from_u64(seed);
    let mut pool = vec![0; 2 * LARGEST];
    random.fill_bytes(&mut pool);
    let mut rounds = Rounds {
        servers: [served.beside().await, served.beside().await],
        served,
        random,
        acknowledged: BTreeMap::new(),
        in_pieces: BTreeSet::new(),
        pool: pool.into(),
        told: Told::default(),
    };
    rounds.both_die_with_a_tail_alone().await;
    let begun = Instant::now();
    while rounds.told.rounds < LEAST_ROUNDS || begun.elapsed() < ENOUGH {
        match rounds.random.random_range(0..8) {
            0..2 => rounds.a_form_is_cut_off().await,
            2 => rounds.an_upload_is_given_up().await,
            _ => rounds.an_upload_goes_on_at_the_other().await,
        }
        rounds.told.rounds += 1;
    }
    println!("{:?}", rounds.told);
    rounds.everything_agrees().await;
    rounds.served.take_down().await;
}

/// What happened, for whoever reads the test's output.
#[derive(Debug, Default)]
struct Told {
    rounds: usize,
    /// Uploads in pieces that were cut off and continued, and how many bytes were kept of them.
    continued: usize,
    kept: usize,
    /// Of them, those that stood at their end already.
    complete: usize,
    /// How long it took at most to learn how one stands: as long as a dead server's lease.
    longest: Duration,
    forms: usize,
    given_up: usize,
    /// Requests that were answered before the kill.
    answered: usize,
}

struct Rounds {
    served: Served,
    servers: [Server; 2],
    random: StdRng,
    /// The SHA-256 of each file that a client was told of, by the file's id.
    acknowledged: BTreeMap<String, Vec<u8>>,
    /// The ids of all uploads in pieces.
    in_pieces: BTreeSet<String>,
    /// What the uploads are taken from.
    pool: Bytes,
    told: Told,
}

impl Rounds {
    /// Bytes of a random length, that look alike nowhere.
    fn bytes(&mut self) -> Bytes {
        let length = self.random.random_range(1..=LARGEST);
        self.bytes_of(length)
    }

    fn bytes_of(&mut self, length: usize) -> Bytes {
        let start = self.random.random_range(0..=self.pool.len() - length);
        self.pool.slice(start..start + length)
    }

    /// How much of a body comes before the kill: all of it now and then.
    fn share(&mut self, whole: usize) -> usize {
        match self.random.random_range(0..4) {
            0 => whole,
            _ => self.random.random_range(0..=whole),
        }
    }

    /// Sends a request whose body has come so far as `reached` tells, and kills the server at `doomed`
    /// a moment later. What the client was told before, by that server, and by the other one if it
    /// asked how the upload at `path` stands.
    async fn kill_within(
        &mut self,
        doomed: usize,
        request: RequestBuilder,
        reached: Receiver<()>,
        path: Option<&str>,
    ) -> (Option<Response>, usize) {
        let answer = tokio::spawn(request.send());
        // Dropped unread when the request is refused.
        reached.await.ok();
        let moment = self.random.random_range(0..250);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        let mut told = 0;
        if let Some(path) = path
            && self.random.random()
        {
            let other = &self.servers[1 - doomed].url;
            told = offset(&standing(&format!("{other}{path}")).await);
        }
        self.servers[doomed].process.kill();
        let answer = answer.await.unwrap().ok();
        self.told.answered += usize::from(answer.is_some());
        (answer, told)
    }

    async fn start(&mut self, dead: usize) {
        self.servers[dead] = self.served.beside().await;
    }

    /// Begins an upload; gives its path back.
    async fn begin(&mut self, server: usize, bytes: &Bytes) -> String {
        let path = begin(&self.servers[server].url, bytes.len()).await;
        let id = path.rsplit('/').next().unwrap();
        self.in_pieces.insert(id.to_owned());
        path
    }

    /// Goes on with an upload at a server that dies in the middle of it: how many bytes the client
    /// knows to be stored.
    async fn cut_off(
        &mut self,
        doomed: usize,
        path: &str,
        mut known: usize,
        bytes: &Bytes,
    ) -> usize {
        let url = format!("{}{path}", self.servers[doomed].url);
        if known == 0 && self.random.random() {
            known = self.random.random_range(0..bytes.len());
            let first = piece(url.clone(), 0, bytes.slice(..known));
            let answer = first.send().await.unwrap();
            assert_eq!((answer.status().as_u16(), offset(&answer)), (204, known));
        }
        let rest = bytes.slice(known..);
        let fed = self.share(rest.len());
        let (frames, reached) = body(&rest, fed);
        let request = piece(url, known, frames);
        let killed = self.kill_within(doomed, request, reached, Some(path));
        let (answer, told) = killed.await;
        match answer {
            Some(answer) if answer.status() == 204 => {
                assert_eq!(offset(&answer), bytes.len());
                bytes.len()
            }
            // What a dead server had under way was recorded after the client asked.
            Some(answer) => {
                assert_eq!(answer.status(), 409);
                known.max(told)
            }
            None => known.max(told),
        }
    }

    async fn an_upload_goes_on_at_the_other(&mut self) {
        let bytes = self.bytes();
        let mut server = self.random.random_range(0..2);
        let path = self.begin(server, &bytes).await;
        let mut known = 0;
        for _ in 0..self.random.random_range(1..=2) {
            let told = self.cut_off(server, &path, known, &bytes).await;
            let dead = server;
            server = 1 - dead;
            let asked = Instant::now();
            let found = standing(&format!("{}{path}", self.servers[server].url)).await;
            self.told.longest = self.told.longest.max(asked.elapsed());
            let at = offset(&found);
            assert!(told <= at && at <= bytes.len(), "{told} {at}");
            self.told.continued += 1;
            self.told.kept += at - known;
            known = at;
            self.start(dead).await;
            if file_id(&found).is_some() {
                self.told.complete += 1;
                break;
            }
        }
        let url = format!("{}{path}", self.servers[server].url);
        let id = resume(&url, &bytes).await;
        self.is_stored(server, &id, &bytes).await;
    }

    async fn an_upload_is_given_up(&mut self) {
        let bytes = self.bytes();
        let doomed = self.random.random_range(0..2);
        let path = self.begin(doomed, &bytes).await;
        let told = self.cut_off(doomed, &path, 0, &bytes).await;
        if told == bytes.len() {
            let url = format!("{}{path}", self.servers[1 - doomed].url);
            let id = resume(&url, &bytes).await;
            self.is_stored(1 - doomed, &id, &bytes).await;
        }
        self.told.given_up += 1;
        self.start(doomed).await;
    }

    /// Less was acknowledged than S3 takes as a part, and nobody is left who took it.
    async fn both_die_with_a_tail_alone(&mut self) {
        let bytes = self.bytes_of(9 * MIB);
        let url = self.servers[0].url.clone();
        let path = self.begin(0, &bytes).await;
        let answer = piece(format!("{url}{path}"), 0, bytes.slice(..3 * MIB));
        assert_eq!(answer.send().await.unwrap().status(), 204);
        for server in &mut self.servers {
            server.process.kill();
        }
        for dead in 0..2 {
            self.start(dead).await;
        }
        for server in &self.servers {
            let found = standing(&format!("{}{path}", server.url)).await;
            assert_eq!(offset(&found), 3 * MIB);
        }
        // Once more, with bytes after the tail under way.
        let (frames, reached) = body(&bytes.slice(3 * MIB..), MIB);
        let request = piece(format!("{}{path}", self.servers[1].url), 3 * MIB, frames);
        let (answer, _) = self.kill_within(1, request, reached, None).await;
        assert!(answer.is_none());
        self.servers[0].process.kill();
        for dead in 0..2 {
            self.start(dead).await;
        }
        let url = format!("{}{path}", self.servers[0].url);
        assert!(offset(&standing(&url).await) >= 3 * MIB);
        let id = resume(&url, &bytes).await;
        self.is_stored(1, &id, &bytes).await;
    }

    async fn a_form_is_cut_off(&mut self) {
        let doomed = self.random.random_range(0..2);
        let files = [self.bytes(), self.bytes()];
        let mut form = Vec::new();
        for file in &files {
            form.extend_from_slice(
                b"--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a\"\r\n\r\n",
            );
            form.extend_from_slice(file);
            form.extend_from_slice(b"\r\n");
        }
        form.extend_from_slice(b"--x--\r\n");
        let form = Bytes::from(form);
        let fed = self.share(form.len());
        let (frames, reached) = body(&form, fed);
        let request = Client::new()
            .post(format!("{}/v1/files", self.servers[doomed].url))
            .bearer_auth(member())
            .header("content-type", "multipart/form-data; boundary=x")
            .body(frames);
        self.told.forms += 1;
        let (answer, _) = self.kill_within(doomed, request, reached, None).await;
        if let Some(answer) = answer {
            assert_eq!((answer.status().as_u16(), fed), (200, form.len()));
            // Its body may not have come whole.
            let outcome: Value = answer.json().await.unwrap_or_default();
            let none = Vec::new();
            let told = outcome["files"].as_array().unwrap_or(&none);
            for (told, bytes) in told.iter().zip(&files) {
                let id = told["id"].as_str().unwrap();
                self.is_stored(1 - doomed, id, bytes).await;
            }
        }
        self.start(doomed).await;
    }

    /// Fails unless the file is read at this server as it was sent.
    async fn is_stored(&mut self, server: usize, id: &str, bytes: &Bytes) {
        let read = Client::new().get(format!("{}/v1/files/{id}", self.servers[server].url));
        let read = read.bearer_auth(member()).send().await.unwrap();
        assert_eq!(read.status(), 200);
        let read = read.bytes().await.unwrap();
        let sum = sha256(bytes);
        assert_eq!(sha256(&read), sum);
        self.acknowledged.insert(id.to_owned(), sum);
    }

    /// Stops the servers, lets the janitor at what is left, and compares what is there with what was
    /// acknowledged.
    async fn everything_agrees(&mut self) {
        for server in &mut self.servers {
            server.process.terminate();
            assert!(server.process.ends_well());
        }
        let url = &self.served.variables["FILEGATEWAY_DATABASE_URL_FILE"];
        let url = std::fs::read_to_string(url).unwrap();
        let mut database = PgConnection::connect(&url).await.unwrap();
        // As if all of it had happened long ago.
        for age in [
            "UPDATE files SET touched_at = '2020-01-01' WHERE status <> 'ready'",
            "UPDATE resumable_uploads SET expires_at = '2020-01-01', lease_until = NULL",
        ] {
            sqlx::query(age).execute(&mut database).await.unwrap();
        }
        let (well, report) = self.served.janitor(&["--age", "1200"]);
        assert!(well);
        print!("{report}");
        let expected = self.stored(&mut database).await;
        // The store's clock can't be set back. What is left to a sweep with less patience is what only
        // the cut requests of an upload needed that was finished since.
        let young = self.keys_of_objects_and_uploads().await;
        for key in young.difference(&expected) {
            let id = key.split('/').nth(1).unwrap();
            let is_finished = expected.contains(&format!("acme/{id}/original"));
            assert!(is_finished && self.in_pieces.contains(id), "{key}");
        }
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let variables = self.served.variables.clone();
        let config = Config::read(&|name| variables.get(name).cloned()).unwrap();
        let keys = Keys::Folder(config.backends.store.credentials.clone());
        let app = App::open(&config.backends, keys, true).await.unwrap();
        let swept = app.files.sweep(Duration::ZERO).await.unwrap().unwrap();
        app.files.settle().await;
        app.catalog.close().await;
        print!("{swept}");
        assert_eq!((swept.failed(), swept.rows.found), (0, 0));
        assert_eq!(self.keys_of_objects_and_uploads().await, expected);
        assert_eq!(self.served.open_uploads().await, [""; 0]);
    }

    async fn keys_of_objects_and_uploads(&self) -> BTreeSet<String> {
        let mut keys = self.served.keys().await;
        keys.extend(self.served.open_uploads().await);
        keys.into_iter().collect()
    }

    /// The keys of all files in the catalogue. Fails unless they are whole, and all that were
    /// acknowledged.
    async fn stored(&self, database: &mut PgConnection) -> BTreeSet<String> {
        let rows = sqlx::query_as("SELECT id, status, location, sha256 FROM files");
        let rows: Vec<(Uuid, String, String, Option<Vec<u8>>)> =
            rows.fetch_all(database).await.unwrap();
        let mut keys = BTreeSet::new();
        let mut told = 0;
        for (id, status, key, sum) in rows {
            assert_eq!(status, "ready");
            let object = self.served.object(&key).await;
            assert_eq!(Some(sha256(&object)), sum);
            if let Some(acknowledged) = self.acknowledged.get(&id.to_string()) {
                assert_eq!(Some(acknowledged), sum.as_ref());
                told += 1;
            }
            keys.insert(key);
        }
        assert_eq!(told, self.acknowledged.len());
        // The kill may come between a commit and its answer.
        println!("{} files, {told} of them acknowledged", keys.len());
        keys
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}
