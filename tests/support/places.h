#pragma once

#include <string>

namespace trainyard {

// The folders that this build was made from and in, absolute. They are functions of one object file, so that a clone at
// another path does not compile every test anew.
std::string SourceDir();
std::string BinaryDir();

}  // namespace trainyard
