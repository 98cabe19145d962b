#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace trainyard::cli {

/// TAO has short flags of several letters (`-pth 0.5`, `-eq=union`), which CLI11 would read as
/// several flags: `-pth` becomes `--pruning_threshold`. Sub-commands' other spellings
/// (dataset-convert, infer) and TAO's prefixes (`model NETWORK train`) are put into our form too.
/// Words after `--` and values stay. Pure.
std::vector<std::string> RewriteFlags(std::vector<std::string> words);

/// The short flags of several letters, with the long forms that they are put into.
const std::map<std::string, std::string, std::less<>>& ShortFlags();

}  // namespace trainyard::cli
