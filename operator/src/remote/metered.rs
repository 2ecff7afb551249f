//! Counts and traces every call of an SDK's client, in one place for all of them.

use std::time::Instant;

use aws_sdk_s3::config::interceptors::{
    BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use traces::Traced;

use crate::metrics::Metrics;

/// Notes each call's operation, outcome and duration.
pub(super) struct Metered {
    /// What is called: `s3` or `iam`.
    pub system: &'static str,
    /// Where it is noted.
    pub metrics: Metrics,
}

impl std::fmt::Debug for Metered {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Metered")
            .field(&self.system)
            .finish()
    }
}

impl Metered {
    /// Its name in traces.
    fn service(&self) -> String {
        self.system.to_ascii_uppercase()
    }
}

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
        let traced = traces::rpc(&self.service());
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
            traced.calls(&self.service(), operation(config));
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Began(began, traced)) = config.load::<Began>() {
            let ok = context
                .output_or_error()
                .is_some_and(|outcome| outcome.is_ok());
            if !ok {
                traced.failed("error");
            }
            self.metrics
                .called(self.system, operation(config), ok, began.elapsed());
        }
        Ok(())
    }
}

fn operation(config: &ConfigBag) -> &str {
    config.load::<Metadata>().map_or("unknown", Metadata::name)
}
