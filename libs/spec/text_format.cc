#include "libs/spec/text_format.h"

#include "libs/base/problems.h"
#include "libs/spec/text_parser.h"

namespace trainyard::spec {

absl::Status ParseTextFormat(absl::string_view text, absl::string_view file_name,
                             google::protobuf::Message* message, std::vector<std::string>* warnings,
                             FieldPlaces* places) {
  Problems problems;
  internal::ParseTextFormatInto(text, file_name, message, warnings, places, &problems);
  return problems.ToStatus();
}

namespace internal {

void ParseTextFormatInto(absl::string_view text, absl::string_view file_name,
                         google::protobuf::Message* message, std::vector<std::string>* warnings,
                         FieldPlaces* places, Problems* problems) {
  FieldPlaces own_places;
  TextParser parser(text, file_name, "", warnings, places == nullptr ? &own_places : places,
                    problems);
  parser.ParseMessage(message);
}

}  // namespace internal
}  // namespace trainyard::spec
