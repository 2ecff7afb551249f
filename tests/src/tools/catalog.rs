//! Which programs there are, in which version, and where their source is.

/// Kubernetes' release; `tests/tools/go.mod` pins the same. 1.36 drops containerd 1.6, Debian 12's.
pub const KUBERNETES: &str = "1.35.4";
/// etcd's release; `tests/tools/go.mod` pins the same.
pub const ETCD: &str = "3.6.5";
/// Helm's and CoreDNS's releases; `tests/tools/addons/go.mod` pins the same.
const HELM: &str = "4.3.1";
const COREDNS: &str = "1.15.0";
const KUBECONFORM: &str = "0.8.0";
const KWOK: &str = "0.8.0";
const VERSITYGW: &str = "1.8.0";
/// The last release under an open licence, by the pseudo-version that `go install` resolved it to.
const MINIO: &str = "0.0.0-20260212201848-7aac2a2c5b7c";

/// A program that is built from source when it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// Kubernetes' database.
    Etcd,
    /// Kubernetes' API server.
    KubeApiserver,
    /// Kubernetes' built-in controllers.
    KubeControllerManager,
    /// Kubernetes' scheduler.
    KubeScheduler,
    /// Kubernetes' node agent.
    Kubelet,
    /// Kubernetes' service proxy.
    KubeProxy,
    /// Kubernetes' command line.
    Kubectl,
    /// The chart installer.
    Helm,
    /// The cluster's name server.
    Coredns,
    /// The S3 and IAM server.
    Versitygw,
    /// A second S3 server to be compatible with.
    Minio,
    /// What holds documents against Kubernetes' schemas.
    Kubeconform,
    /// What says for nodes that are not there that their pods run.
    Kwok,
}

/// Where a tool's source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A command of the checked-in Go module `tests/tools`: these need its `replace` lines.
    Module(&'static str),
    /// A command of the checked-in Go module `tests/tools/addons`, where Helm and CoreDNS agree on the
    /// Kubernetes client, which is most of each, and CoreDNS has the plugins that the cluster uses.
    Addon(&'static str),
    /// A module that `go install PACKAGE@vVERSION` builds by itself.
    Install(&'static str),
}

impl Tool {
    /// Every tool but those that only a benchmark needs.
    pub const ALL: [Self; 12] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::Kubelet,
        Self::KubeProxy,
        Self::Kubectl,
        Self::Helm,
        Self::Coredns,
        Self::Versitygw,
        Self::Minio,
        Self::Kubeconform,
    ];

    /// The program's file name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::Kubectl => "kubectl",
            Self::Helm => "helm",
            Self::Coredns => "coredns",
            Self::Versitygw => "versitygw",
            Self::Minio => "minio",
            Self::Kubeconform => "kubeconform",
            Self::Kwok => "kwok",
        }
    }

    /// The tool of that file name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter().chain([Self::Kwok]);
        all.find(|tool| tool.name() == name)
    }

    /// The project that it is released with, and so the name of its folder in the cache.
    #[must_use]
    pub fn project(self) -> &'static str {
        match self {
            Self::KubeApiserver
            | Self::KubeControllerManager
            | Self::KubeScheduler
            | Self::Kubelet
            | Self::KubeProxy
            | Self::Kubectl => "kubernetes",
            other => other.name(),
        }
    }

    /// The version without its `v`.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::Etcd => ETCD,
            Self::Helm => HELM,
            Self::Coredns => COREDNS,
            Self::Versitygw => VERSITYGW,
            Self::Minio => MINIO,
            Self::Kubeconform => KUBECONFORM,
            Self::Kwok => KWOK,
            _ => KUBERNETES,
        }
    }

    /// Where its source is.
    #[must_use]
    pub fn source(self) -> Source {
        match self {
            Self::Etcd => Source::Module("go.etcd.io/etcd/server/v3"),
            Self::KubeApiserver => Source::Module("k8s.io/kubernetes/cmd/kube-apiserver"),
            Self::KubeControllerManager => {
                Source::Module("k8s.io/kubernetes/cmd/kube-controller-manager")
            }
            Self::KubeScheduler => Source::Module("k8s.io/kubernetes/cmd/kube-scheduler"),
            Self::Kubelet => Source::Module("k8s.io/kubernetes/cmd/kubelet"),
            Self::KubeProxy => Source::Module("k8s.io/kubernetes/cmd/kube-proxy"),
            Self::Kubectl => Source::Module("k8s.io/kubernetes/cmd/kubectl"),
            Self::Helm => Source::Addon("helm.sh/helm/v4/cmd/helm"),
            Self::Coredns => Source::Addon("./coredns"),
            Self::Versitygw => Source::Install("github.com/versity/versitygw/cmd/versitygw"),
            Self::Minio => Source::Install("github.com/minio/minio"),
            Self::Kubeconform => Source::Install("github.com/yannh/kubeconform/cmd/kubeconform"),
            Self::Kwok => Source::Install("sigs.k8s.io/kwok/cmd/kwok"),
        }
    }

    /// Whether files pass through it, so that it is to be as fast as its makers build it. The others are
    /// compiled without inlining, which takes a third less time.
    #[must_use]
    pub fn carries_bytes(self) -> bool {
        matches!(self, Self::Versitygw | Self::Minio)
    }

    /// How long a build from nothing takes on two cores, in seconds, with what it shares with its
    /// project's other programs counted once, in the API server.
    #[must_use]
    pub fn usual_build_seconds(self) -> u64 {
        match self {
            Self::KubeApiserver => 110,
            Self::Coredns => 60,
            Self::Helm => 45,
            Self::Kwok | Self::Minio => 100,
            Self::Versitygw => 45,
            Self::Etcd => 30,
            _ => 12,
        }
    }

    /// Arguments that print the version, and what the answer has to contain. None for programs that
    /// say nothing useful when they were built by `go install`.
    pub(super) fn version_check(self) -> Option<(&'static [&'static str], String)> {
        let minor = |version: &str| {
            version
                .rsplit_once('.')
                .map(|(minor, _)| format!("{minor}."))
        };
        match self {
            Self::Etcd => Some((&["--version"], format!("etcd Version: {}", minor(ETCD)?))),
            Self::Kubectl => Some((&["version", "--client"], format!("v{}", minor(KUBERNETES)?))),
            Self::Helm => Some((&["version", "--short"], "v4.".to_owned())),
            Self::Coredns => Some((&["-version"], format!("CoreDNS-{}", minor(COREDNS)?))),
            Self::Versitygw => Some((&["--version"], format!(": v{VERSITYGW}"))),
            Self::Minio | Self::Kubeconform | Self::Kwok => None,
            _ => Some((
                &["--version"],
                format!("Kubernetes v{}", minor(KUBERNETES)?),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_go_module_pins_the_same_versions() {
        let module = include_str!("../../tools/go.mod");
        assert!(module.contains(&format!("\tk8s.io/kubernetes v{KUBERNETES}\n")));
        assert!(module.contains(&format!("\tgo.etcd.io/etcd/server/v3 v{ETCD}\n")));
        let addons = include_str!("../../tools/addons/go.mod");
        assert!(addons.contains(&format!("\thelm.sh/helm/v4 v{HELM}\n")));
        assert!(addons.contains(&format!("\tgithub.com/coredns/coredns v{COREDNS}\n")));
    }

    #[test]
    fn the_go_module_names_every_program_built_from_it() {
        let imports = include_str!("../../tools/tools.go");
        for tool in Tool::ALL {
            if let Source::Module(package) = tool.source() {
                assert!(imports.contains(&format!("\"{package}\"")), "{package}");
            }
        }
    }

    #[test]
    fn names_lead_back_to_their_tools() {
        for tool in Tool::ALL.into_iter().chain([Tool::Kwok]) {
            assert_eq!(Tool::named(tool.name()), Some(tool));
        }
        assert_eq!(Tool::named("sh"), None);
    }
}
