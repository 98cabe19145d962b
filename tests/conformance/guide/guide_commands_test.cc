// The commands that the public user guides show, as facts: every flag and every spelling must be
// understood. Nothing is run here: files that the guides name do not exist.

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_split.h"
#include "cli/command_line.h"
#include "cli/rewrite_flags.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard::cli {
namespace {

// Whether the command line is understood down to a sub-command that would run.
std::string Refusal(const std::string& line) {
  CLI::App app("test", "trainyard");
  app.require_subcommand(1);
  Run run;
  AddCommands(app, run);
  std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
  words = RewriteFlags(std::move(words));
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
  return run ? "" : "no sub-command would run";
}

class GuideCommandsTest : public ::testing::TestWithParam<const char*> {};

TEST_P(GuideCommandsTest, IsUnderstood) { EXPECT_EQ(Refusal(GetParam()), "") << GetParam(); }

// What follows `tao` in the guide of SSD; each required and optional argument appears, by its short
// and its long name.
INSTANTIATE_TEST_SUITE_P(
    SsdGuide, GuideCommandsTest,
    ::testing::Values(
        "model ssd dataset_convert -d /path/to/spec.txt -o /path/to/tfrecords/train",
        "model ssd dataset-convert --dataset-export-spec spec.txt --output_filename out/train -v",
        "ssd dataset_convert --dataset_export_spec spec.txt -o out/train",
        "model ssd train --gpus 2 -e /path/to/spec.txt -r /path/to/result -k key",
        "model ssd train --experiment_spec_file spec.txt --results_dir out --key key --gpus 1 "
        "--gpu_index "
        "0 --use_amp --log_file train.log --resume_model_weights a.tlt --initial_epoch 5 "
        "--use_multiprocessing",
        "model ssd train -e spec.txt -r out -k key -m a.tlt --initial_epoch 2",
        "model ssd evaluate -m /path/to/trained_tlt_ssd_model -k key -e /path/to/ssd_spec.txt",
        "model ssd evaluate --model a.tlt --experiment_spec_file s.txt --key k --gpu_index 0 "
        "--log_file l",
        "ssd evaluate --model_path a.tlt --experiment_spec s.txt",
        "model ssd inference -i /path/to/input/images_dir -o /path/to/output/dir -m "
        "/path/to/trained_tlt_ssd_model -k key -e /path/to/ssd_spec.txt",
        "model ssd inference --in_image_dir i --out_image_dir o --model a.tlt --key k "
        "--config_path s.txt "
        "--threshold 0.3 --out_label_dir l --gpu_index 0 --log_file f",
        "ssd infer --image_dir i -r out -m a.tlt -e s.txt -k k -t 0.5 -l labels",
        "model ssd prune -m /workspace/output/weights/resnet_003.tlt -o "
        "/workspace/output/weights/resnet_003_pruned.tlt -eq union -pth 0.7 -k key",
        "model ssd prune --pretrained_model a.tlt --output_file b.tlt --key k -n L2 "
        "--equalization_criterion geometric_mean -pruning_granularity 8 -pth 0.1 --min_num_filters "
        "16 "
        "--excluded_layers conv1 conv2 --gpu_index 0 --log_file f",
        "ssd prune --model a.tlt -o b.tlt -k k -pg 8 -nf 16 -el conv1",
        "model ssd export -m ssd_kitti_retrain_epoch12.tlt -o ssd_kitti_retrain.int8.etlt -e "
        "ssd_kitti_retrain_spec.txt --key key",
        "model ssd export --model a.tlt -k k --experiment_spec s.txt --output_file a.etlt "
        "--cal_json_file "
        "c.json --gen_ds_config --gpu_index 0 --log_file f --verbose"));

// The recipe for a Jetson: an export becomes an engine.
INSTANTIATE_TEST_SUITE_P(
    Converter, GuideCommandsTest,
    ::testing::Values(
        "converter -k tlt_encode -t fp16 -d 3,544,960 -e /path/to/peoplenet.engine "
        "/path/to/resnet18_peoplenet_pruned.etlt",
        "converter a.etlt -k k -c cal.bin -o NMS -d 3,300,300 -m 1 -b 8 -t int8 -e a.engine"));

INSTANTIATE_TEST_SUITE_P(Augment, GuideCommandsTest,
                         ::testing::Values("augment -a spec.txt -o out -d data"));

TEST(GuideCommandsTest, AMissingRequiredArgumentIsNamed) {
  EXPECT_THAT(Refusal("ssd prune -o b.tlt"), ::testing::HasSubstr("--model"));
  EXPECT_THAT(Refusal("ssd train -r out"), ::testing::HasSubstr("--experiment_spec"));
}

}  // namespace
}  // namespace trainyard::cli
