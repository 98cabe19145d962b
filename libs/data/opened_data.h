#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libs/data/ledger.h"
#include "libs/data/sample.h"

namespace trainyard::data {

/// Labelled data that were opened, and what a person should know of them.
struct OpenedData {
  std::shared_ptr<const SampleSource> source;
  /// What is left out.
  Ledger ledger;
  /// Lines for the result: what there is, what is left out, what was noticed. Nothing happens to data
  /// without a line here. All of it is UTF-8; other bytes of names are escaped.
  std::vector<std::string> notes;
  /// Lines to be said before the work begins: what is probably not meant. They are among the notes.
  std::vector<std::string> warnings;
};

}  // namespace trainyard::data
