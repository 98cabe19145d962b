#pragma once

#include "google/protobuf/message.h"

namespace trainyard::worker {

/// Makes every string of `message`, at any depth, UTF-8: one that is not becomes Printable
/// (libs/base/printable.h). A protobuf string that is not UTF-8 can be written but not read back,
/// so that a name of a file would cost the result of a training. Fields of type bytes stay.
void MakeUtf8(google::protobuf::Message& message);

}  // namespace trainyard::worker
