//! Counts and traces every call of the SDK's client, in one place for all of them.

use std::time::Instant;

use aws_sdk_s3::config::interceptors::{
    BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use traces::Traced;

use crate::telemetry::Metrics;

/// Notes each call's operation, outcome and duration.
#[derive(Debug)]
pub(super) struct Metered(pub(super) Metrics);

#[derive(Debug)]
struct Began(Instant, Traced);

impl Storable for Began {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Metered {
    fn name(&self) -> &'static str {
        "Metered"
    }

    fn read_before_execution(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let traced = traces::rpc("S3");
        config
            .interceptor_state()
            .store_put(Began(Instant::now(), traced));
        Ok(())
    }

    /// The operation is not known any sooner.
    fn read_before_serialization(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Began(_, traced)) = config.load::<Began>() {
            traced.calls("S3", operation(config));
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Began(began, traced)) = config.load::<Began>() else {
            return Ok(());
        };
        let operation = operation(config);
        let Some(outcome) = context.output_or_error() else {
            // A URL that is only signed comes to no outcome.
            traced.calls("S3", &format!("{operation}.sign"));
            return Ok(());
        };
        if outcome.is_err() {
            traced.failed("error");
        }
        self.0
            .store_called(operation, outcome.is_ok(), began.elapsed());
        Ok(())
    }
}

fn operation(config: &ConfigBag) -> &str {
    config.load::<Metadata>().map_or("unknown", Metadata::name)
}
