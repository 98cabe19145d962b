#pragma once

#include <map>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "trainyard/v1/artifact.pb.h"
#include "trainyard/v1/stage.pb.h"

namespace trainyard::service {

/// Prefix of a path as a client knows it -> prefix as this service knows it.
using PathMap = std::map<std::string, std::string>;

/// The folder that services share; requests name what lies in it, and nothing else. Immutable, so
/// any number of threads may use it.
class Workspace {
 public:
  /// `root` must be a folder; "/" (the embedded CLI) allows every path. Relative paths start at
  /// `base`, a folder below the root; "" = the root. kNotFound and kInvalidArgument name the folder.
  static absl::StatusOr<Workspace> Create(const std::string& root, const std::string& base = "");

  /// Canonical, without a final slash (but for "/").
  const std::string& root() const { return root_; }
  /// Where relative paths start: absolute.
  const std::string& base() const { return base_; }

  /// The absolute path of `uri`: relative to base(), absolute below the root, or `file:///...`. It
  /// need not exist. `map` rewrites the longest prefix that matches whole path parts, first.
  ///
  /// kInvalidArgument: empty, a NUL byte, another scheme than file. kPermissionDenied: it leaves the
  /// root by "..", by a symbolic link or by being absolute elsewhere (checked by the kernel with
  /// openat2 and RESOLVE_BENEATH where that is offered; then absolute links are refused even when
  /// they lead back below the root).
  absl::StatusOr<std::string> Resolve(absl::string_view uri, const PathMap& map = {}) const;
  /// As Resolve, for a path that will be read and may mean several: also each file that a shell
  /// pattern matches (unless the path itself is there), and each file that begins with a path where
  /// nothing is, stays below the root. The path is returned as it is, pattern and all, and may mean
  /// nothing. What lies in a folder is not looked at.
  absl::StatusOr<std::string> ResolveToRead(absl::string_view uri, const PathMap& map = {}) const;
  /// As ResolveToRead, and kNotFound unless a file, a folder or files with this prefix are there.
  absl::StatusOr<std::string> ResolveExisting(absl::string_view uri, const PathMap& map = {}) const;

  /// How answers name a path below the root: relative to it; absolute when the root is "/".
  std::string UriOf(absl::string_view path) const;

  /// The artifact at `path` (absolute): digest and size are of what is there now.
  /// Reads the whole file unless its digest is cached. kNotFound when nothing is there.
  absl::StatusOr<v1::Artifact> MakeArtifact(absl::string_view name, const std::string& path,
                                            absl::string_view kind) const;
  /// Checks each sha256 that a request gives for an input; reads those files whole, so no call should
  /// wait for it. kDataLoss says both digests; kCancelled soon after `stop` is requested; what
  /// ResolveExisting says of an input that is not there any more.
  absl::Status CheckDigests(const v1::StageInput& stage, const std::stop_token& stop = {}) const;

 private:
  Workspace(std::string root, std::string base, std::string given_root)
      : root_(std::move(root)), base_(std::move(base)), given_root_(std::move(given_root)) {}
  absl::Status CheckBeneath(const std::string& path, absl::string_view uri) const;

  std::string root_;
  std::string base_;
  std::string given_root_;
};

}  // namespace trainyard::service
