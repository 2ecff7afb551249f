//! Counts every call of the SDK's client, in one place for all of them.

use std::time::Instant;

use aws_sdk_s3::config::interceptors::{
    BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use crate::telemetry::Metrics;

/// Notes each call's operation, outcome and duration.
#[derive(Debug)]
pub(super) struct Metered(pub(super) Metrics);

#[derive(Debug)]
struct Began(Instant);

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
        config.interceptor_state().store_put(Began(Instant::now()));
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // A URL that is only signed comes to no outcome.
        let (Some(outcome), Some(Began(began))) =
            (context.output_or_error(), config.load::<Began>())
        else {
            return Ok(());
        };
        let operation = config.load::<Metadata>().map_or("unknown", Metadata::name);
        self.0
            .store_called(operation, outcome.is_ok(), began.elapsed());
        Ok(())
    }
}
