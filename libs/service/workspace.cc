#include "libs/service/workspace.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"

namespace trainyard::service {
namespace {

namespace fs = std::filesystem;

constexpr char kFileScheme[] = "file://";

// Whether `path` is `folder` or lies below it; both absolute and without dots.
bool IsBelow(absl::string_view path, absl::string_view folder) {
  if (folder == "/") return absl::StartsWith(path, "/");
  return path == folder ||
         (absl::StartsWith(path, folder) && path.size() > folder.size() && path[folder.size()] == '/');
}

// Without ".", "..", double and final slashes. Of the text alone: links are not followed.
std::string Normal(absl::string_view path) {
  std::string normal = fs::path(std::string(path)).lexically_normal().string();
  while (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

absl::Status Escapes(absl::string_view uri, absl::string_view root, absl::string_view how) {
  return absl::PermissionDeniedError(
      absl::StrCat("'", uri, "' leaves the workspace '", root, "' ", how));
}

absl::StatusOr<std::string> CanonicalFolder(const std::string& path, absl::string_view what) {
  if (path.empty()) return absl::InvalidArgumentError(absl::StrCat("the ", what, " is not set"));
  std::error_code error;
  const fs::path canonical = fs::canonical(path, error);
  if (error) {
    return absl::NotFoundError(absl::StrCat("the ", what, " '", path, "': ", error.message()));
  }
  if (!fs::is_directory(canonical, error)) {
    return absl::InvalidArgumentError(absl::StrCat("the ", what, " '", path, "' is no folder"));
  }
  return canonical.string();
}

// The scheme's part of a uri, or "" when it has none.
absl::string_view Scheme(absl::string_view uri) {
  const size_t colon = uri.find("://");
  return colon == absl::string_view::npos ? "" : uri.substr(0, colon + 3);
}

std::string Rewritten(absl::string_view uri, const PathMap& map) {
  absl::string_view best_from, best_to;
  bool found = false;
  for (const auto& [from, to] : map) {
    absl::string_view prefix = from;
    while (prefix.size() > 1 && absl::ConsumeSuffix(&prefix, "/")) {
    }
    if (prefix.empty() || (found && prefix.size() <= best_from.size())) continue;
    const bool whole_parts =
        absl::StartsWith(uri, prefix) &&
        (uri.size() == prefix.size() || uri[prefix.size()] == '/' || prefix.back() == '/');
    if (!whole_parts) continue;
    best_from = prefix;
    best_to = to;
    found = true;
  }
  if (!found) return std::string(uri);
  absl::string_view rest = uri.substr(best_from.size());
  while (absl::ConsumePrefix(&rest, "/")) {
  }
  return rest.empty() ? std::string(best_to) : JoinPath(best_to, rest);
}

// Opens the longest part of `relative` that exists, so that the kernel says whether it stays below.
// 0, or the errno that says why not.
int OpenBeneath(int root_fd, std::string relative) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  while (true) {
    const char* path = relative.empty() ? "." : relative.c_str();
    const long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
    if (fd >= 0) {
      close(static_cast<int>(fd));
      return 0;
    }
    if (errno == EAGAIN || errno == EINTR) continue;
    if ((errno != ENOENT && errno != ENOTDIR) || relative.empty()) return errno;
    const size_t slash = relative.rfind('/');
    relative.resize(slash == std::string::npos ? 0 : slash);
  }
}

}  // namespace

absl::StatusOr<Workspace> Workspace::Create(const std::string& root, const std::string& base) {
  TY_ASSIGN_OR_RETURN(std::string canonical_root, CanonicalFolder(root, "workspace"));
  std::string canonical_base = canonical_root;
  if (!base.empty()) {
    TY_ASSIGN_OR_RETURN(canonical_base, CanonicalFolder(base, "base of relative paths"));
  }
  if (!IsBelow(canonical_base, canonical_root)) {
    return absl::InvalidArgumentError(absl::StrCat("relative paths would start at '", base,
                                                   "', which is not below the workspace '", root, "'"));
  }
  return Workspace(std::move(canonical_root), std::move(canonical_base), Normal(root));
}

absl::Status Workspace::CheckBeneath(const std::string& path, absl::string_view uri) const {
  if (root_ == "/") return absl::OkStatus();
  const std::string relative = path == root_ ? "" : path.substr(root_.size() + 1);
  const int root_fd = open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root_fd < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot open the workspace '", root_, "': ", strerror(errno)));
  }
  const int error = OpenBeneath(root_fd, relative);
  close(root_fd);
  if (error == 0) return absl::OkStatus();
  if (error == EXDEV || error == ELOOP) return Escapes(uri, root_, "by a symbolic link");
  if (error == ENAMETOOLONG) {
    return absl::InvalidArgumentError(absl::StrCat("'", uri, "' is too long for a path"));
  }
  if (error != ENOSYS && error != EPERM && error != EINVAL) {
    return absl::PermissionDeniedError(absl::StrCat("cannot open '", uri, "': ", strerror(error)));
  }
  // Before Linux 5.6, or where a sandbox hides the call.
  std::error_code failure;
  const fs::path canonical = fs::weakly_canonical(path, failure);
  if (failure || !IsBelow(canonical.string(), root_)) {
    return Escapes(uri, root_, "by a symbolic link");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Workspace::Resolve(absl::string_view uri, const PathMap& map) const {
  if (uri.empty()) return absl::InvalidArgumentError("a path is empty");
  if (absl::StrContains(uri, absl::string_view("\0", 1))) {
    return absl::InvalidArgumentError("a path holds a NUL byte");
  }
  const std::string rewritten = Rewritten(uri, map);
  absl::string_view plain = rewritten;
  if (absl::ConsumePrefix(&plain, kFileScheme)) {
    if (!absl::StartsWith(plain, "/")) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", uri, "' names a host; expected file:///path"));
    }
  } else if (!Scheme(plain).empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", uri, "' has the scheme '", Scheme(plain), "'; expected a path or file:///path"));
  }
  std::string path = Normal(JoinPath(base_, plain));
  // Somebody who knows the root by a link names it so.
  if (!IsBelow(path, root_) && absl::StartsWith(plain, "/") && IsBelow(path, given_root_)) {
    path = Normal(absl::StrCat(root_, "/", path.substr(given_root_.size())));
  }
  if (!IsBelow(path, root_)) {
    return Escapes(uri, root_, absl::StartsWith(plain, "/") ? "by being elsewhere" : "by '..'");
  }
  TY_RETURN_IF_ERROR(CheckBeneath(path, uri));
  return path;
}

absl::StatusOr<std::string> Workspace::ResolveToRead(absl::string_view uri,
                                                     const PathMap& map) const {
  TY_ASSIGN_OR_RETURN(std::string path, Resolve(uri, map));
  if (root_ == "/" || FileExists(path) || FolderExists(path)) return path;
  // A path's links were checked above; those that a pattern reaches are known only once it is
  // expanded.
  const bool pattern = path.find_first_of("*?[") != std::string::npos;
  for (const std::string& match : Glob(pattern ? path : path + "*")) {
    // The prefix of a set's files is no prefix of folders.
    if (!pattern && !FileExists(match)) continue;
    if (!IsBelow(match, root_)) return Escapes(uri, root_, absl::StrCat("with '", match, "'"));
    TY_RETURN_IF_ERROR(CheckBeneath(match, uri));
  }
  return path;
}

absl::StatusOr<std::string> Workspace::ResolveExisting(absl::string_view uri,
                                                       const PathMap& map) const {
  TY_ASSIGN_OR_RETURN(std::string path, ResolveToRead(uri, map));
  if (FileExists(path) || FolderExists(path)) return path;
  // TFRecord shards are named by the prefix of their files.
  if (PathSize(path).ok()) return path;
  return absl::NotFoundError(absl::StrCat("'", uri, "' is not there (looked for '", path, "')"));
}

std::string Workspace::UriOf(absl::string_view path) const {
  if (root_ == "/" || !IsBelow(path, root_)) return std::string(path);
  return path == root_ ? "." : std::string(path.substr(root_.size() + 1));
}

absl::StatusOr<v1::Artifact> Workspace::MakeArtifact(absl::string_view name, const std::string& path,
                                                     absl::string_view kind) const {
  v1::Artifact artifact;
  artifact.set_name(std::string(name));
  artifact.set_uri(UriOf(path));
  artifact.set_kind(std::string(kind));
  TY_ASSIGN_OR_RETURN(*artifact.mutable_sha256(), PathDigest(path));
  TY_ASSIGN_OR_RETURN(const int64_t size, PathSize(path));
  artifact.set_size_bytes(size);
  return artifact;
}

absl::Status Workspace::CheckDigests(const v1::StageInput& stage,
                                     const std::stop_token& stop) const {
  const PathMap map(stage.path_map().begin(), stage.path_map().end());
  Problems problems;
  for (const v1::Artifact& input : stage.inputs()) {
    if (input.sha256().empty()) continue;
    const std::string field = absl::StrCat("stage.inputs[", input.name(), "]");
    const auto path = ResolveExisting(input.uri(), map);
    if (!path.ok()) return Annotate(path.status(), field);
    const auto digest = PathDigest(*path, stop);
    if (absl::IsCancelled(digest.status())) return digest.status();
    if (!digest.ok()) return Annotate(digest.status(), field);
    if (*digest == input.sha256()) continue;
    problems.Add(field, "at '%s' has the digest %s; the request expects %s", input.uri(), *digest,
                 input.sha256());
  }
  return problems.ToStatus(absl::StatusCode::kDataLoss);
}

}  // namespace trainyard::service
