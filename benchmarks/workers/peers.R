# lme4, brms or rstanarm on one case: Rscript peers.R TOOL DATA.csv FORMULA FACTORS OUT.json SEED
# FACTORS: names of the columns that are labels, separated by commas.
arguments <- commandArgs(trailingOnly = TRUE)
tool <- arguments[1]
data <- read.csv(arguments[2])
formula <- as.formula(arguments[3])
for (name in strsplit(arguments[4], ",")[[1]]) data[[name]] <- factor(data[[name]])
seed <- as.integer(arguments[6])
cores <- min(4, parallel::detectCores())

seconds_of <- function(expression) unname(system.time(expression)["elapsed"])
number <- function(x) formatC(x, digits = 6, format = "g")
lowest <- function(draws, names) {
  draws <- posterior::subset_draws(draws, variable = names)
  found <- posterior::summarise_draws(draws, "ess_bulk", "ess_tail")
  sprintf('{"bulk": %s, "tail": %s}', number(min(found$ess_bulk, na.rm = TRUE)),
          number(min(found$ess_tail, na.rm = TRUE)))
}

import <- seconds_of(suppressPackageStartupMessages(library(tool, character.only = TRUE)))
extra <- ""
if (tool == "lme4") {
  total <- seconds_of(fit <- lmer(formula, data))
} else {
  if (tool == "brms") {
    total <- seconds_of(fit <- brm(formula, data, chains = 4, iter = 2000, cores = cores,
                                   seed = seed, refresh = 0))
    draws <- posterior::as_draws(fit)
    names <- posterior::variables(draws)
    effects <- grep("^r_", names, value = TRUE)
    population <- grep("^(b_|sd_|cor_|sigma)", names, value = TRUE)
  } else {
    total <- seconds_of(fit <- stan_lmer(formula, data, chains = 4, iter = 2000, cores = cores,
                                         seed = seed, refresh = 0))
    draws <- posterior::as_draws_array(as.array(fit))
    names <- posterior::variables(draws)
    effects <- grep("^b\\[", names, value = TRUE)
    population <- setdiff(names, c(effects, "mean_PPD", "log-posterior", "lp__"))
  }
  extra <- sprintf(', "ess": %s, "ess_effects": %s', lowest(draws, population),
                   lowest(draws, effects))
}
version <- as.character(packageVersion(tool))
writeLines(sprintf(
  '{"import_all": %s, "rows": %d, "version": "%s", "r": "%s", "fit": {"seconds": {"total": %s}%s}}',
  number(import), nrow(data), version, as.character(getRversion()), number(total), extra
), arguments[5])
