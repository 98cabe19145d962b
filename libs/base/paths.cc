#include "libs/base/paths.h"

#include <filesystem>
#include <system_error>

namespace trainyard {

namespace fs = std::filesystem;

std::string CanonicalPath(const std::string& path) {
  std::error_code ignored;
  const fs::path canonical = fs::weakly_canonical(fs::absolute(path, ignored), ignored);
  // Without the empty last part that a closing slash leaves.
  return (canonical.has_filename() ? canonical : canonical.parent_path()).string();
}

bool IsSamePath(const std::string& a, const std::string& b) {
  if (a == b) return true;
  std::error_code not_there;
  if (fs::equivalent(a, b, not_there)) return true;
  const std::string canonical = CanonicalPath(a);
  return !canonical.empty() && canonical == CanonicalPath(b);
}

bool IsInFolder(const std::string& path, const std::string& folder) {
  const fs::path inner = CanonicalPath(path), outer = CanonicalPath(folder);
  if (inner.empty() || outer.empty()) return false;
  const fs::path relative = inner.lexically_relative(outer);
  return !relative.empty() && *relative.begin() != "..";
}

}  // namespace trainyard
