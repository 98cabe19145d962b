#include "libs/spec/paths.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "libs/base/problems.h"
#include "libs/spec/field_names.h"

namespace trainyard::spec {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;
using Resolver = std::function<absl::StatusOr<std::string>(absl::string_view)>;

// Paths of their own. The others (image_dir_name, annotation_files, image_path...) lie below one of
// these; root_path and wandb_dir are never read.
constexpr absl::string_view kPathFields[] = {
    "eval_dataset_path",   "image_directory_path",  "label_directory_path", "model_path",
    "pretrain_model_path", "pretrained_model_path", "pruned_model_path",    "resume_model_path",
    "root_directory_path", "tfrecords_path",        "train_dataset_path",   "val_dataset_path",
};

struct Rewrite {
  const Resolver& resolve;
  Problems problems;
  absl::StatusCode code = absl::StatusCode::kOk;

  void Field(Message* message, const FieldDescriptor* field, const std::string& path) {
    const Reflection* reflection = message->GetReflection();
    const std::string seen = reflection->GetString(*message, field);
    if (seen.empty()) return;
    absl::StatusOr<std::string> resolved = resolve(seen);
    if (resolved.ok()) {
      reflection->SetString(message, field, *std::move(resolved));
      return;
    }
    if (code == absl::StatusCode::kOk) code = resolved.status().code();
    problems.AddProblem(
        {path, "is '" + seen + "': " + std::string(resolved.status().message()), ""});
  }

  void Fields(Message* message, const std::string& prefix) {
    const Reflection* reflection = message->GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection->ListFields(*message, &fields);
    for (const FieldDescriptor* field : fields) {
      const std::string path = internal::JoinField(prefix, field->name());
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && !field->is_repeated() &&
          IsPathField(field->name())) {
        Field(message, field, path);
      } else if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) {
        continue;
      } else if (!field->is_repeated()) {
        Fields(reflection->MutableMessage(message, field), path);
      } else {
        for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
          Fields(reflection->MutableRepeatedMessage(message, field, i),
                 internal::IndexedPath(path, i));
        }
      }
    }
  }
};

}  // namespace

bool IsPathField(absl::string_view field_name) {
  return std::find(std::begin(kPathFields), std::end(kPathFields), field_name) !=
         std::end(kPathFields);
}

absl::Status RewritePaths(Message* message, const Resolver& resolve) {
  const std::unique_ptr<Message> changed(message->New());
  changed->CopyFrom(*message);
  Rewrite rewrite{.resolve = resolve, .problems = {}};
  rewrite.Fields(changed.get(), "");
  if (rewrite.problems.empty()) message->GetReflection()->Swap(message, changed.get());
  return rewrite.problems.ToStatus(rewrite.code);
}

}  // namespace trainyard::spec
