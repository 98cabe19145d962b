#pragma once

#include <string>

namespace trainyard {

/// `path` absolute, links and `..` resolved, without a final slash; it need not be there. "" stays "".
std::string CanonicalPath(const std::string& path);

/// Whether both name the same file or folder: one that is there (two hard links are), or one that is
/// not and would be.
bool IsSamePath(const std::string& a, const std::string& b);

/// Whether `path` is `folder`, or lies in it at any depth, links resolved. False when one is "".
bool IsInFolder(const std::string& path, const std::string& folder);

}  // namespace trainyard
