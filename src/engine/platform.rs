//! Which package carries the engine for which platform, and the digests it must have.

use std::borrow::Cow;

use super::EngineError;

/// The version of the packages this build was made with.
pub const VERSION: &str = "26.7.3-stable.1";

/// A published package with the library in it. The digests are part of this program, so that what a
/// registry says about itself is not what its file is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Name for npm.
    pub name: Cow<'static, str>,
    /// Version for npm.
    pub version: Cow<'static, str>,
    /// sha512 of the archive, base64, as npm's integrity field has it (without `sha512-`).
    pub archive_sha512: Cow<'static, str>,
    /// Size of the archive, bytes.
    pub archive_bytes: u64,
    /// sha512 of `libchdb.so`, hexadecimal.
    pub library_sha512: Cow<'static, str>,
    /// Size of `libchdb.so`, bytes.
    pub library_bytes: u64,
}

impl Package {
    /// `name@version`, as npm takes it.
    #[must_use]
    pub fn spec(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// The name of its folder in the engine directory, such as `lib-linux-x64-gnu-26.7.3-stable.1`.
    #[must_use]
    pub fn folder(&self) -> String {
        let name = self.name.rsplit('/').next().unwrap_or(&self.name);
        format!("{name}-{}", self.version)
    }
}

/// The package for a platform: `os`, `arch` and `libc` as in [`std::env::consts`] and `target_env`.
///
/// # Errors
/// [`EngineError::UnsupportedPlatform`] where there is no package, or none whose digests are known here.
pub fn package_for(os: &str, arch: &str, libc: &str) -> Result<Package, EngineError> {
    let unsupported = |why: String| EngineError::UnsupportedPlatform {
        os: os.to_owned(),
        arch: arch.to_owned(),
        why,
    };
    match (os, arch) {
        ("linux", "x86_64") if libc == "gnu" => Ok(Package {
            name: "@chdb/lib-linux-x64-gnu".into(),
            version: VERSION.into(),
            archive_sha512:
                "XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw=="
                    .into(),
            archive_bytes: 177_817_999,
            library_sha512: "0a5e6af5cf57034116d34a39480989a160dd105f372d85aa748f8d2b0a5ebd52\
                             a90d913737d7ae86f6f597d37fe06d3a4d22125c13c5aa961d91aa93d034751e"
                .into(),
            library_bytes: 566_330_096,
        }),
        ("linux", "x86_64" | "aarch64") if libc != "gnu" => Err(unsupported(format!(
            "the packages need glibc, this system has {libc}"
        ))),
        ("linux", "aarch64") => Err(unsupported(unpinned("@chdb/lib-linux-arm64-gnu"))),
        ("macos", "aarch64") => Err(unsupported(unpinned("@chdb/lib-darwin-arm64"))),
        ("macos", "x86_64") => Err(unsupported(unpinned("@chdb/lib-darwin-x64"))),
        _ => Err(unsupported("no package is published for it".to_owned())),
    }
}

/// The package of the machine this program was built for.
///
/// # Errors
/// As [`package_for`].
pub fn package() -> Result<Package, EngineError> {
    let libc = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    package_for(std::env::consts::OS, std::env::consts::ARCH, libc)
}

fn unpinned(name: &str) -> String {
    format!("this build knows no checksum of {name}, and runs nothing it cannot check")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_on_x86_64_has_a_package_with_full_digests() {
        let package = package_for("linux", "x86_64", "gnu").unwrap();
        assert_eq!(package.spec(), "@chdb/lib-linux-x64-gnu@26.7.3-stable.1");
        assert_eq!(package.folder(), "lib-linux-x64-gnu-26.7.3-stable.1");
        assert_eq!(package.library_sha512.len(), 128);
        assert_eq!(package.archive_sha512.len(), 88);
    }

    #[test]
    fn other_platforms_are_refused_with_a_reason_and_a_way_out() {
        for (os, arch, libc, reason) in [
            ("windows", "x86_64", "gnu", "no package is published"),
            ("linux", "riscv64", "gnu", "no package is published"),
            ("linux", "x86_64", "musl", "need glibc"),
            (
                "linux",
                "aarch64",
                "gnu",
                "no checksum of @chdb/lib-linux-arm64-gnu",
            ),
            ("macos", "aarch64", "gnu", "no checksum of @chdb/lib-darwin-arm64"),
            ("macos", "x86_64", "gnu", "no checksum of @chdb/lib-darwin-x64"),
        ] {
            let said = package_for(os, arch, libc).unwrap_err().to_string();
            assert!(said.contains(reason), "{said}");
            assert!(said.contains(os) && said.contains(arch), "{said}");
            assert!(said.contains("SPLITDECK_ENGINE_BINARY"), "{said}");
        }
    }
}
