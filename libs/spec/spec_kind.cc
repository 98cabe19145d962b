#include "libs/spec/spec_kind.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/problems.h"
#include "libs/spec/internal/token_stream.h"

namespace trainyard::spec {
namespace {

using google::protobuf::io::Tokenizer;
using internal::TokenStream;

// A field that only one kind of spec has; "a.b" is the field b of the message a. The first that is
// found wins: those of our networks, then these, of which names that old versions of a network shared
// come last.
struct Marker {
  absl::string_view field;
  SpecKind kind;
  absl::string_view title;
  absl::string_view network = "";
};

constexpr Marker kMarkers[] = {
    {"kitti_config", SpecKind::kConversion, "a specification for dataset_convert"},
    {"coco_config", SpecKind::kConversion, "a specification for dataset_convert"},
    {"yolov4_config", SpecKind::kForeign, "a YOLOv4 experiment"},
    {"yolov3_config", SpecKind::kForeign, "a YOLOv3 experiment"},
    {"yolo_config", SpecKind::kForeign, "a YOLOv3 experiment"},
    {"retinanet_config", SpecKind::kForeign, "a RetinaNet experiment"},
    {"maskrcnn_config", SpecKind::kForeign, "a Mask R-CNN experiment"},
    {"lpr_config", SpecKind::kForeign, "an LPRNet experiment"},
    {"efficientdet_config", SpecKind::kForeign, "an EfficientDet experiment"},
    {"model_config.input_image_config", SpecKind::kForeign, "a Faster R-CNN experiment"},
    {"network_config.input_image_config", SpecKind::kForeign, "a Faster R-CNN experiment"},
    {"bbox_rasterizer_config", SpecKind::kForeign, "a DetectNet_v2 experiment"},
    {"cost_function_config", SpecKind::kForeign, "a DetectNet_v2 experiment"},
    {"postprocessing_config", SpecKind::kForeign, "a DetectNet_v2 experiment"},
    {"inferencer_config", SpecKind::kForeign, "a DetectNet_v2 inference specification"},
    {"bbox_handler_config", SpecKind::kForeign, "a DetectNet_v2 inference specification"},
    {"train_config", SpecKind::kForeign, "an image classification experiment"},
    {"dataset_config.train_csv_path", SpecKind::kForeign, "a multitask classification experiment"},
    {"dataset_config.training_file_pattern", SpecKind::kForeign, "an EfficientDet experiment"},
    {"data_config.training_file_pattern", SpecKind::kForeign, "a Mask R-CNN experiment"},
    {"dataset_config.characters_list_file", SpecKind::kForeign, "an LPRNet experiment"},
    {"data_class_config", SpecKind::kForeign, "a UNet experiment"},
    {"dataset_config.data_class_config", SpecKind::kForeign, "a UNet experiment"},
    {"dataset_config.train_images_path", SpecKind::kForeign, "a UNet experiment"},
    {"dataset_config.train_data_sources", SpecKind::kForeign, "a UNet experiment"},
    {"dataset_config.input_image_type", SpecKind::kForeign, "a UNet experiment"},
    {"model_config.n_layers", SpecKind::kForeign, "an image classification experiment"},
    {"eval_config.eval_dataset_path", SpecKind::kForeign, "an image classification experiment"},
    {"dataset_config.image_path", SpecKind::kAugment, "a specification for augment"},
    {"spatial_config", SpecKind::kAugment, "a specification for augment"},
    {"color_config", SpecKind::kAugment, "a specification for augment"},
    {"blur_config", SpecKind::kAugment, "a specification for augment"},
    {"data_services", SpecKind::kAugment, "a specification for augment"},
    {"spatial_aug", SpecKind::kAugment, "a specification for augment"},
    {"color_aug", SpecKind::kAugment, "a specification for augment"},
    {"blur_aug", SpecKind::kAugment, "a specification for augment"},
    {"data.ann_path", SpecKind::kAugment, "a specification for augment"},
    {"sample_modifier_config", SpecKind::kConversion, "a specification for dataset_convert"},
};

// A network that is offered takes the places of its own fields in the list: those that others share
// stay behind theirs.
std::vector<Marker> AllMarkers(absl::Span<const NetworkMarker> networks) {
  std::vector<Marker> markers, known(std::begin(kMarkers), std::end(kMarkers));
  for (const NetworkMarker& one : networks) {
    const Marker marker = {one.field, SpecKind::kExperiment, one.title, one.network};
    const auto foreign = std::find_if(known.begin(), known.end(), [&](const Marker& other) {
      return other.field == one.field && other.kind == SpecKind::kForeign;
    });
    if (foreign == known.end()) {
      markers.push_back(marker);
    } else {
      *foreign = marker;
    }
  }
  markers.insert(markers.end(), known.begin(), known.end());
  return markers;
}

size_t FindMarker(const std::vector<Marker>& markers, absl::string_view outer, absl::string_view name) {
  const std::string field = outer.empty() ? std::string(name) : absl::StrCat(outer, ".", name);
  size_t i = 0;
  while (i < markers.size() && markers[i].field != field) ++i;
  return i;
}

// "num_epochs: 3" or "- a: 1". In text format no value begins so.
bool IsEntryOfYaml(absl::string_view line) {
  if (absl::StartsWith(line, "- ")) return true;
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos || !absl::ascii_isalpha(line[0])) return false;
  return std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](unsigned char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

// "a YAML file", "a JSON file" or "": neither has what protobuf text format has.
absl::string_view OtherFormat(absl::string_view text) {
  const absl::string_view head = absl::StripLeadingAsciiWhitespace(text);
  if (absl::ConsumePrefix(&text, "---") || absl::ConsumePrefix(&text, "%YAML"))
    return "a YAML file";
  if (!head.empty() && head[0] == '{') return "a JSON file";
  // `name:` with nothing behind it, and an indented line below; text format has braces there, and
  // so has YAML in some of its values.
  const bool has_braces = text.find('{') != absl::string_view::npos;
  bool opened = false;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const absl::string_view bare = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (bare.empty()) continue;
    const bool is_below = opened && (absl::ascii_isblank(line[0]) || line[0] == '-');
    if (is_below && (!has_braces || IsEntryOfYaml(bare))) return "a YAML file";
    opened = bare.size() > 1 && bare.back() == ':' && absl::ascii_isalpha(bare[0]);
  }
  return "";
}

std::string NameOf(const ExpectedSpec& wanted) {
  if (wanted.kind == SpecKind::kConversion) {
    return "a specification for dataset_convert, with kitti_config";
  }
  if (wanted.kind == SpecKind::kAugment) {
    return "a specification for augment, with dataset_config and spatial_config, or data and spatial_aug "
           "in YAML";
  }
  for (const NetworkMarker& one : wanted.networks) {
    if (one.network == wanted.network) return absl::StrCat(one.title, ", with ", one.field);
  }
  return absl::StrCat("an experiment of ", wanted.network);
}

// The first `${param.X}` or `${stage.X.outputs.Y}` outside of comments, as a problem; nothing in a text
// that a pipeline has filled in.
std::optional<Problem> TemplateProblem(absl::string_view text, absl::string_view file_name) {
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = line.substr(0, line.find('#'));
    const size_t at = std::min(line.find("${param."), line.find("${stage."));
    if (at == absl::string_view::npos) continue;
    const absl::string_view name = line.substr(at, line.substr(at, 80).find('}') + 1);
    return Problem{.field = std::string(name),
                   .description = "is filled in by a pipeline: this file is a template for `trainyard "
                                  "run`, not a spec by itself",
                   .place = absl::StrCat(file_name, ":", number, ":", at + 1)};
  }
  return std::nullopt;
}

}  // namespace

RecognisedSpec RecogniseSpec(absl::string_view text, absl::Span<const NetworkMarker> networks) {
  const std::vector<Marker> markers = AllMarkers(networks);
  TokenStream tokens(text);
  size_t best = markers.size();
  TokenStream::Token place;
  std::vector<std::string> open;  // the names of the messages around the current token
  std::string name;
  while (!tokens.AtEnd()) {
    const TokenStream::Token token = tokens.Take();
    if (token.type == Tokenizer::TYPE_IDENTIFIER) {
      const bool is_field = tokens.Sees(":") || tokens.SeesMessage();
      name = token.text;
      if (!is_field || open.size() > 1) continue;
      const size_t found = FindMarker(markers, open.empty() ? "" : open[0], name);
      if (found < best) {
        best = found;
        place = token;
      }
    } else if (token.text == "{" || token.text == "<" || token.text == "[") {
      open.push_back(name);
    } else if ((token.text == "}" || token.text == ">" || token.text == "]") && !open.empty()) {
      open.pop_back();
    }
  }
  if (best < markers.size()) {
    const Marker& marker = markers[best];
    return {.kind = marker.kind,
            .network = std::string(marker.network),
            .title = std::string(marker.title),
            .field = std::string(marker.field),
            .line = place.line + 1,
            .column = place.column + 1};
  }
  // Nothing but blanks and comments.
  if (tokens.position() == 0 && tokens.errors().empty()) {
    return {.kind = SpecKind::kForeign, .title = "empty"};
  }
  const absl::string_view format = OtherFormat(text);
  if (!format.empty()) return {.kind = SpecKind::kForeign, .title = std::string(format)};
  return {};
}

bool IsYaml(absl::string_view text) { return OtherFormat(text) == "a YAML file"; }

absl::Status ExpectSpecKind(absl::string_view text, absl::string_view file_name,
                            const ExpectedSpec& wanted) {
  Problems problems;
  if (auto problem = TemplateProblem(text, file_name); problem.has_value()) {
    problems.AddProblem(*std::move(problem));
    return problems.ToStatus();
  }
  const RecognisedSpec seen = RecogniseSpec(text, wanted.networks);
  const bool is_wanted = seen.kind == wanted.kind && seen.network == wanted.network;
  if (seen.kind == SpecKind::kUnknown || is_wanted) return absl::OkStatus();
  const bool is_text_format = !seen.field.empty();
  // These have a form in YAML, whose reader names the keys that it does not know.
  if (wanted.kind == SpecKind::kAugment && !is_text_format && IsYaml(text)) return absl::OkStatus();
  const std::string expected = NameOf(wanted);
  problems.AddProblem(
      {seen.field,
       is_text_format ? absl::StrCat("is a field of ", seen.title, "; expected ", expected)
                      : absl::StrCat("the text is ", seen.title, "; expected ", expected,
                                     " in protobuf text format"),
       absl::StrCat(file_name, ":", seen.line, ":", seen.column)});
  return problems.ToStatus(seen.kind == SpecKind::kForeign && is_text_format
                               ? absl::StatusCode::kUnimplemented
                               : absl::StatusCode::kInvalidArgument);
}

}  // namespace trainyard::spec
