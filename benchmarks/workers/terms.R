# mgcv, nlme or brms on smooths, pedigrees and correlated residuals:
# Rscript terms.R TOOL DATA.csv CASE FACTORS OUT.json SEED ITERATIONS
# FACTORS: names of the columns that are labels, separated by commas.
# ITERATIONS: of each of two chains of brms, half of them tuning.
# mgcv and nlme give point estimates by REML. A Stan program is compiled once and kept in the folder
# for temporary files, so that no measurement but the first compiles it; seconds of sampling are
# told without compiling.
arguments <- commandArgs(trailingOnly = TRUE)
tool <- arguments[1]
d <- read.csv(arguments[2])
case <- arguments[3]
for (name in strsplit(arguments[4], ",")[[1]]) d[[name]] <- factor(d[[name]])
seed <- as.integer(arguments[6])
iterations <- as.integer(arguments[7])
chains <- 2L

relationship <- function(d) {  # of animals that stand after their parents; 0: unknown
  n <- nrow(d)
  sire <- match(d$sire, d$animal)
  dam <- match(d$dam, d$animal)
  A <- matrix(0, n, n, dimnames = list(d$animal, d$animal))
  for (i in seq_len(n)) {
    before <- seq_len(i - 1)
    parents <- c(sire[i], dam[i])
    parents <- parents[!is.na(parents)]
    for (p in parents) A[i, before] <- A[i, before] + A[p, before] / 2
    A[before, i] <- A[i, before]
    A[i, i] <- 1 + if (length(parents) == 2) A[parents[1], parents[2]] / 2 else 0
  }
  A
}
wide <- function(d) {  # a row for each patient, y1 to y8
  w <- reshape(d[c("patient", "arm", "visit", "y")], idvar = c("patient", "arm"),
               timevar = "visit", direction = "wide")
  names(w) <- sub("y.", "y", names(w), fixed = TRUE)
  w
}
# brms's default, but for its mean, so that data of all sizes have one program
intercept_at <- function(mean) set_prior(sprintf("student_t(3, %g, 2.5)", mean), "Intercept")
sum_of_smooths <- function() reformulate(sprintf("s(x%d, k = 10)", 0:9), "y")

models <- list(
  mcycle = list(
    mgcv = function() gam(accel ~ s(times, k = 20), data = d, method = "REML"),
    brms = function() list(bf(accel ~ s(times, k = 20)), d)
  ),
  ovary = list(
    nlme = function() lme(follicles ~ rise + fall, d, ~ 1 | Mare,
                          correlation = corAR1(form = ~ day | Mare)),
    brms = function() list(
      bf(follicles ~ rise + fall + (1 | Mare) + ar(time = day, gr = Mare, p = 1, cov = TRUE)), d
    )
  ),
  pedigree = list(
    brms = function() list(bf(y ~ x + (1 | gr(animal, cov = A))), d, list(A = relationship(d)),
                           intercept_at(1))
  ),
  smooths = list(
    mgcv = function() gam(sum_of_smooths(), data = d, method = "REML"),
    brms = function() list(bf(sum_of_smooths()), d, NULL, intercept_at(0))
  ),
  mmrm = list(
    nlme = function() gls(y ~ visit * arm, d, weights = varIdent(form = ~ 1 | visit),
                          correlation = corSymm(form = ~ as.integer(visit) | patient)),
    brms = function() list(
      bf(mvbind(y1, y2, y3, y4, y5, y6, y7, y8) ~ arm) + set_rescor(TRUE), wide(d)
    )
  )
)

seconds_of <- function(expression) unname(system.time(expression)["elapsed"])
number <- function(x) formatC(x, digits = 6, format = "g")
lowest <- function(draws, names) {
  draws <- posterior::subset_draws(draws, variable = names)
  found <- posterior::summarise_draws(draws, "ess_bulk", "ess_tail")
  sprintf('{"bulk": %s, "bulk_of": "%s", "tail": %s}', number(min(found$ess_bulk, na.rm = TRUE)),
          found$variable[which.min(found$ess_bulk)], number(min(found$ess_tail, na.rm = TRUE)))
}
# an empty model, compiled here or by an earlier run
compiled <- function(asked) {
  data2 <- if (length(asked) > 2) asked[[3]] else NULL
  prior <- if (length(asked) > 3) asked[[4]] else NULL
  code <- make_stancode(asked[[1]], asked[[2]], data2 = data2, prior = prior)
  part <- paste0(case, "_", sum(utf8ToInt(code) * seq_len(nchar(code))), ".rds")
  file <- file.path(dirname(tempdir()), paste0("mixedbayes_", part))
  compile <- 0
  if (!file.exists(file)) {
    compile <- seconds_of(empty <- brm(
      asked[[1]], asked[[2]], data2 = data2, prior = prior, chains = 0
    ))
    saveRDS(empty, file)
  }
  list(readRDS(file), compile, data2)
}

import <- seconds_of(suppressPackageStartupMessages(library(tool, character.only = TRUE)))
extra <- ""
if (tool == "brms") {
  asked <- models[[case]]$brms()
  empty <- compiled(asked)
  total <- seconds_of(fit <- suppressWarnings(update(
    empty[[1]], newdata = asked[[2]], data2 = empty[[3]], recompile = FALSE, chains = chains,
    iter = iterations, cores = min(chains, parallel::detectCores()), seed = seed, refresh = 0
  )))
  draws <- posterior::as_draws(fit)
  names <- posterior::variables(draws)
  population <- grep("^(b_|bs_|sd_|sds_|cor_|rescor_|sigma|ar\\[)", names, value = TRUE)
  ess <- lowest(draws, population)
  low <- as.numeric(sub('.*"bulk": ([^,]*),.*', "\\1", ess))
  tail <- as.numeric(sub('.*"tail": ([^}]*)}.*', "\\1", ess))
  extra <- sprintf(
    ', "ess": %s, "ess_per_second": %s, "draws": %d, "divergences": %d, "steps_per_draw": %s',
    ess, number(min(low, tail) / total), posterior::ndraws(draws),
    rstan::get_num_divergent(fit$fit), number(mean(rstan::get_num_leapfrog_per_iteration(fit$fit)))
  )
  extra <- sprintf('%s, "compile": %s', extra, number(empty[[2]]))
} else {
  total <- seconds_of(fit <- models[[case]][[tool]]())
}
writeLines(sprintf(
  '{"import_all": %s, "rows": %d, "version": "%s", "r": "%s", "fit": {"seconds": {"total": %s}%s}}',
  number(import), nrow(d), as.character(packageVersion(tool)), as.character(getRversion()),
  number(total), extra
), arguments[5])
