#!/bin/bash
# Makes one Zarr dataset from the VIA tracks files of an experiment: one array task per video.
#
#   1. Set VIA_TRACKS_DIR, METADATA_CSV, and TRACKS2ZARR or GIT_REPOSITORY below; and --array to
#      the number of your videos.
#   2. Run: sbatch run_create_zarr_dataset.sh
#
# Made by 'tracks2zarr slurm script', which also fills in the values.
# 'tracks2zarr slurm submit' does all of this, and more, without a script.

#SBATCH --job-name=create_zarr_dataset
# One task per video, from 0; behind % stands how many may run at a time. Or some of them: 0,5,7-9%9
#SBATCH --array=0-26%9
#SBATCH --output=slurm_array.%A-%a.%N.out
#SBATCH --error=slurm_array.%A-%a.%N.err
#SBATCH --open-mode=append
#SBATCH --cpus-per-task=1
#SBATCH --mem=4096M
#SBATCH --time=02:00:00

set -euo pipefail
shopt -s inherit_errexit

# ---- What you must set

# The folder with the VIA tracks files.
VIA_TRACKS_DIR=/path/to/tracks
# The metadata CSV, one row per clip.
METADATA_CSV=/path/to/loop-frames-ffmpeg.csv
# An installed tracks2zarr to use as it is, or, if that is empty, where to install it from, once for
# all tasks: any address that git understands, and a branch, a tag or a commit of it.
TRACKS2ZARR=''
GIT_REPOSITORY=''
GIT_BRANCH=main

# ---- What you may set

# Which files in the folder are tracks files; several patterns stand in brackets: ('A*.csv' 'B*.csv').
VIA_TRACKS_GLOB_PATTERN='*.csv'
# The videos to convert, such as ('VideoA' 'VideoB'); if there are none here: all with tracks files.
VIDEOS=()
# What frame numbers in these files count from: clip, or video.
FRAMES=clip
# A regular expression whose group 1 is the frame in an image's file name; empty for the usual names.
FRAME_REGEXP=''
# The name of the dimension of individuals: individual; or individuals, for movement before 0.17.
INDIVIDUAL_DIM=individual
# The dataset. It holds the id of the array job, so that different runs make different datasets.
ZARR_STORE_OUTPUT="${SLURM_SUBMIT_DIR:-$PWD}/CrabTracks-slurm${SLURM_ARRAY_JOB_ID:-0}.zarr"
# The dataset, if it is there: a adds to it, w replaces it (once an array job), w- stops.
ZARR_STORE_MODE=a
# A video, if it is there from other input: a adds clips, w replaces it, w- stops.
ZARR_MODE_GROUP=w-
# Where installations are kept; all nodes must see it.
ENVIRONMENTS=${TRACKS2ZARR_ENVIRONMENTS:-$HOME/.cache/tracks2zarr/environments}
# A Python 3.12 or newer to make them with.
PYTHON=python3

# ---- From here on, nothing needs to be changed

stop() {
    printf 'error: %s\n' "$1" >&2
    [[ $# -lt 2 ]] || printf '  do:       %s\n' "$2" >&2
    exit 1
}

[[ -d $VIA_TRACKS_DIR ]] || stop "VIA_TRACKS_DIR is no folder: $VIA_TRACKS_DIR" "Correct it in this script."
[[ -f $METADATA_CSV ]] || stop "METADATA_CSV is no file: $METADATA_CSV" "Correct it in this script."
[[ -n ${SLURM_ARRAY_TASK_ID:-} ]] || stop "This is no task of an array job." "Submit it with sbatch, with --array."

# Print the commit that GIT_BRANCH stands for.
commit_of_branch() {
    if [[ $GIT_BRANCH =~ ^[0-9a-f]{40}$ ]]; then
        echo "$GIT_BRANCH"
        return
    fi
    local refs
    refs=$(git ls-remote "$GIT_REPOSITORY" "refs/heads/$GIT_BRANCH" "refs/tags/$GIT_BRANCH^{}" "refs/tags/$GIT_BRANCH") || return
    [[ -n $refs ]] || return
    head -n 1 <<<"$refs" | cut -f 1
}

# Install one commit into a folder. What an earlier task left unfinished there is removed first.
install_commit() {
    local commit=$1 folder=$2 source=$2.source
    printf 'installing tracks2zarr %s (%s) into %s\n' "$GIT_BRANCH" "${commit:0:12}" "$folder" >&2
    rm -rf "$folder" "$source"
    git init --quiet "$source"
    git -C "$source" fetch --quiet --depth 1 "$GIT_REPOSITORY" "$commit" 2>/dev/null ||
        git -C "$source" fetch --quiet "$GIT_REPOSITORY" "+refs/heads/*:refs/remotes/origin/*" "+refs/tags/*:refs/tags/*"
    git -C "$source" -c advice.detachedHead=false checkout --quiet "$commit"
    # in one chain: what is not whole is never called ready, wherever this function is called
    "$PYTHON" -m venv "$folder" &&
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
            --constraint "$source/constraints.txt" "$source" &&
        "$folder/bin/tracks2zarr" --version >&2 &&
        touch "$folder/.ready"
    rm -rf "$source"
    [[ -f $folder/.ready ]] || stop "tracks2zarr $GIT_BRANCH could not be installed; see above." \
        "Mend that, then submit again: nothing half-installed is used."
}

# Print the folder of the installation that all tasks of this array job use.
environment_of_job() {
    local chosen=$ENVIRONMENTS/jobs/${SLURM_CLUSTER_NAME:-cluster}-$SLURM_ARRAY_JOB_ID commit folder
    if [[ -f $chosen && -f $(<"$chosen")/.ready ]]; then
        cat "$chosen" # ready: no lock is needed
        return
    fi
    mkdir -p "$ENVIRONMENTS/jobs"
    exec 9>"$ENVIRONMENTS/.lock"
    flock 9 # one task installs, the others wait for it
    if [[ ! -f $chosen ]]; then
        commit=$(commit_of_branch) || true
        [[ -n $commit ]] || stop "There is no branch, tag or commit '$GIT_BRANCH' in '$GIT_REPOSITORY'." \
            "Correct GIT_BRANCH or GIT_REPOSITORY in this script."
        printf '%s\n' "$ENVIRONMENTS/${commit:0:12}" >"$chosen.new"
        mv "$chosen.new" "$chosen"
        printf '%s\n' "$commit" >"$chosen.commit"
    fi
    folder=$(<"$chosen")
    if [[ ! -f $folder/.ready ]]; then
        install_commit "$(<"$chosen.commit")" "$folder" >&2
    fi
    flock --unlock 9
    echo "$folder"
}

if [[ -z $TRACKS2ZARR ]]; then
    [[ -n $GIT_REPOSITORY ]] || stop "Neither TRACKS2ZARR nor GIT_REPOSITORY is set." \
        "Set one of them in this script, or write it with 'tracks2zarr slurm script'."
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null ||
        stop "PYTHON is no Python 3.12 or newer: $PYTHON" "Set PYTHON, or load a module with one, in this script."
    environment=$(environment_of_job)
    TRACKS2ZARR=$environment/bin/tracks2zarr
fi
command -v "$TRACKS2ZARR" >/dev/null || stop "TRACKS2ZARR is no command: $TRACKS2ZARR" "Correct it in this script."

exec "$TRACKS2ZARR" slurm task "$ZARR_STORE_OUTPUT" \
    --tracks-dir "$VIA_TRACKS_DIR" --metadata "$METADATA_CSV" "${VIA_TRACKS_GLOB_PATTERN[@]/#/--pattern=}" \
    ${VIDEOS:+"${VIDEOS[@]/#/--video=}"} --frames "$FRAMES" ${FRAME_REGEXP:+--frame-regexp "$FRAME_REGEXP"} --individual-dim "$INDIVIDUAL_DIM" \
    --store-mode "$ZARR_STORE_MODE" --group-mode "$ZARR_MODE_GROUP" \
    --log-dir "${SLURM_SUBMIT_DIR:-$PWD}"
