//! A certificate authority for one throw-away control plane.

use crate::error::IoContext;
use crate::{Result, secret};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use std::path::{Path, PathBuf};

/// Whom a certificate speaks for. Kubernetes reads the organization as a group, the name as a user.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Common name.
    pub name: &'a str,
    /// Organization, when the subject belongs to a group.
    pub organization: Option<&'a str>,
    /// DNS names and IP addresses of a server; empty for a client.
    pub addresses: &'a [&'a str],
}

/// The files of a certificate (0644) and its key (0600), both PEM.
#[derive(Debug, Clone)]
pub struct KeyFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its PKCS #8 key.
    pub key: PathBuf,
}

impl KeyFiles {
    /// `FOLDER/NAME.crt` and `FOLDER/NAME.key`.
    #[must_use]
    pub fn named(folder: &Path, name: &str) -> Self {
        Self {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        }
    }
}

/// An authority whose key exists in memory only: a folder of certificates is made once, whole.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    /// Makes an authority and writes its certificate to `FOLDER/ca.crt`.
    ///
    /// # Errors
    /// The certificate can't be made or written.
    pub fn create(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).at("create", folder)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params
            .distinguished_name
            .push(DnType::CommonName, "filegateway-testbed");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let path = Self::certificate(folder);
        std::fs::write(&path, issuer.pem()).at("write", &path)?;
        Ok(Self {
            issuer,
            folder: folder.to_owned(),
        })
    }

    /// Where the authority's certificate is.
    #[must_use]
    pub fn certificate(folder: &Path) -> PathBuf {
        folder.join("ca.crt")
    }

    /// Issues a certificate that is good for clients and, when it has addresses, for servers.
    ///
    /// # Errors
    /// The certificate can't be made or written.
    pub fn issue(&self, file: &str, subject: Subject<'_>) -> Result<KeyFiles> {
        let addresses: Vec<String> = subject.addresses.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(addresses)?;
        params
            .distinguished_name
            .push(DnType::CommonName, subject.name);
        if let Some(organization) = subject.organization {
            params
                .distinguished_name
                .push(DnType::OrganizationName, organization);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if !subject.addresses.is_empty() {
            params
                .extended_key_usages
                .push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let files = KeyFiles::named(&self.folder, file);
        std::fs::write(&files.certificate, certificate.pem()).at("write", &files.certificate)?;
        secret::write(&files.key, &key.serialize_pem())?;
        Ok(files)
    }
}

/// Makes a fresh pair of P-256 keys in PEM: the private one in PKCS #8 (0600), for service-account tokens.
///
/// # Errors
/// The keys can't be made or written.
pub fn signing_keys(private: &Path, public: &Path) -> Result<()> {
    let keys = KeyPair::generate()?;
    secret::write(private, &keys.serialize_pem())?;
    std::fs::write(public, keys.public_key_pem()).at("write", public)
}
