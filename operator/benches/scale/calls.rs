//! The calls that the operator makes for a gateway outside of the cluster, by themselves: what has to be looked
//! at, and what has to be made.

use crds::ClassSnapshot;
use kube::Client;
use operator::context::Context;
use operator::meta::{NAME_MARK, NAMESPACE_MARK, OWNER_MARK, Owner};
use operator::metrics::Metrics;
use operator::remote::iam::Iam;
use operator::remote::policy;
use operator::remote::postgres::{Admin, Login};
use operator::remote::s3::{S3, Tags};
use operator::sensitive::Sensitive;
use operator::{Config, names};

use crate::field::SYSTEM;

/// The servers of the class, with the operator's own clients.
pub struct Calls {
    s3: S3,
    /// Where the class names them.
    iam: Option<Iam>,
    postgres: Option<Login>,
}

impl Calls {
    /// Reads the class's Secrets, once.
    pub async fn new(client: &Client, class: &ClassSnapshot) -> anyhow::Result<Self> {
        let variables = [
            ("FILEGATEWAY_OPERATOR_NAMESPACE", SYSTEM),
            ("FILEGATEWAY_GATEWAY_IMAGE", "none"),
        ];
        let config = Config::from_lookup(|name| {
            let mut variables = variables.iter();
            variables
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_string())
        })?;
        let context = Context::new(client.clone(), config, Metrics::default());
        Ok(Self {
            s3: context.s3(class).await?,
            iam: context.iam(class).await?,
            postgres: context.postgres(class).await?,
        })
    }

    /// All of them for one gateway: what does not need each other side by side, as the operator does.
    pub async fn make(&self, owner: &Owner) -> anyhow::Result<()> {
        let storage = async {
            self.bucket(owner).await?;
            match &self.iam {
                Some(iam) => user(iam, owner).await,
                None => Ok(()),
            }
        };
        let database = async {
            match &self.postgres {
                Some(postgres) => database(postgres, owner).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(storage, database)?;
        Ok(())
    }

    async fn bucket(&self, owner: &Owner) -> anyhow::Result<()> {
        let bucket = names::bucket(&owner.namespace, &owner.name, &owner.uid);
        anyhow::ensure!(self.s3.tags(&bucket).await?.is_none(), "{bucket} is there");
        self.s3.create(&bucket).await?;
        let tags = Tags::from([
            (OWNER_MARK.into(), owner.uid.clone()),
            (NAMESPACE_MARK.into(), owner.namespace.clone()),
            (NAME_MARK.into(), owner.name.clone()),
        ]);
        self.s3.set_tags(&bucket, &tags).await?;
        Ok(())
    }
}

async fn user(iam: &Iam, owner: &Owner) -> anyhow::Result<()> {
    let user = names::user(&owner.namespace, &owner.name, &owner.uid);
    let path = format!("/filegateway/{}/", owner.uid);
    let made = iam.create_user(&user, &path).await?;
    anyhow::ensure!(made, "{user} is there");
    let bucket = names::bucket(&owner.namespace, &owner.name, &owner.uid);
    let policy = policy::of_bucket(&bucket);
    iam.set_policy(&user, "bucket", &policy.to_string()).await?;
    iam.create_key(&user).await?;
    Ok(())
}

async fn database(postgres: &Login, owner: &Owner) -> anyhow::Result<()> {
    let name = names::database(&owner.namespace, &owner.name, &owner.uid);
    let second = names::second_role(&owner.namespace, &owner.name, &owner.uid);
    let comment = format!("{OWNER_MARK}={}", owner.uid);
    let password = Sensitive::new(owner.uid.clone());
    let mut admin = Admin::connect(postgres, &Metrics::default()).await?;
    admin.role(&name).await?;
    admin.role(&second).await?;
    admin.database(&name).await?;
    admin.create_role(&name, &password, &comment).await?;
    admin.create_database(&name, &name).await?;
    admin.comment_database(&name, &comment).await?;
    admin.close_to_public(&name).await?;
    let login = Login {
        user: name.clone(),
        password,
        ..postgres.clone()
    };
    anyhow::ensure!(
        admin.accepts(&login, &name).await?,
        "the login does not work"
    );
    Ok(())
}
