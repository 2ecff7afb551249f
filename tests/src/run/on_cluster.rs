//! The run on a cluster: the local one, or one that the user has.

use super::install::{Images, install};
use super::organizations::{self, organizations};
use super::reach::Reach;
use super::{Access, summary};
use crate::journey::{RunFile, Samples, Steps, main_job};
use crate::{Error, Result, cache};

/// Installs the chart, applies both organizations, waits for them, and does the main job on each.
///
/// # Errors
/// The first step that fails.
pub async fn on_cluster(
    access: &Access,
    images: &Images,
    steps: &Steps,
    reach: Reach,
) -> Result<()> {
    steps.heading("FileGateway on the cluster");
    steps
        .step("helm install the operator and the default class", async {
            install(access, images).map(|_| ((), "deployed".into()))
        })
        .await?;
    let issuer = organizations::issuer(access)?;
    let both = organizations();
    for organization in &both {
        steps
            .step(
                &format!("kubectl apply the FileGateway of {}", organization.name),
                async {
                    organizations::apply(access, organization, &issuer)
                        .map(|()| ((), "applied".into()))
                },
            )
            .await?;
    }
    let samples = steps
        .step("make a film and a PDF with ffmpeg", async {
            Samples::make(&cache::folder("samples")).map(|samples| (samples, "done".into()))
        })
        .await?;
    let mut gateways = Vec::new();
    for organization in &both {
        let title = format!("wait for the FileGateway of {}", organization.name);
        let gateway = steps
            .step(&title, async {
                let gateway = organizations::wait_ready(access, organization, steps).await?;
                Ok((gateway, "Ready".into()))
            })
            .await?;
        let title = format!(
            "reach the gateway of {} from this machine",
            organization.name
        );
        let url = steps
            .step(&title, async {
                let url = reach.open(access, organization, &gateway).await?;
                Ok((url.clone(), url))
            })
            .await?;
        gateways.push(organizations::describe(&gateway, url, &issuer)?);
    }
    let run = RunFile {
        kubeconfig: access.kubeconfig.clone(),
        gateways,
    };
    let path = summary::write(&run)?;
    let mut film = None;
    for (index, gateway) in run.gateways.iter().enumerate() {
        steps.heading(&format!("The main job, for {}", gateway.organization));
        let stranger = run
            .gateways
            .iter()
            .rev()
            .find(|other| other.organization != gateway.organization);
        let stranger = stranger.map(|other| other.tokens.member.as_str());
        let uploaded = main_job(gateway, stranger, &samples, steps).await?;
        if index == 0 {
            film = Some(uploaded);
        }
    }
    steps.say(&format!("all of it took {}", steps.elapsed()));
    match film {
        Some(film) => summary::print(Some(access), &run, &path, &film),
        None => Err(Error::Refused("no organization was applied".into())),
    }
}
