# lme4, glmmTMB, brms or rstanarm on one case:
# Rscript peers.R TOOL DATA.csv FORMULA FAMILY FACTORS OUT.json SEED [ITERATIONS]
# FACTORS: names of the columns that are labels, separated by commas.
# ITERATIONS: of each of four chains, half of them tuning; 2000 if it is left out.
arguments <- commandArgs(trailingOnly = TRUE)
tool <- arguments[1]
data <- read.csv(arguments[2])
formula <- as.formula(arguments[3])
family <- arguments[4]
for (name in strsplit(arguments[5], ",")[[1]]) data[[name]] <- factor(data[[name]])
seed <- as.integer(arguments[7])
iterations <- if (length(arguments) > 7) as.integer(arguments[8]) else 2000L
cores <- min(4, parallel::detectCores())
gaussian_response <- family == "gaussian"
# a binary response is a binomial one of a single trial, except in brms
if (family == "bernoulli" && tool != "brms") family <- "binomial"

seconds_of <- function(expression) unname(system.time(expression)["elapsed"])
number <- function(x) formatC(x, digits = 6, format = "g")
lowest <- function(draws, names) {
  draws <- posterior::subset_draws(draws, variable = names)
  found <- posterior::summarise_draws(draws, "ess_bulk", "ess_tail")
  sprintf('{"bulk": %s, "tail": %s}', number(min(found$ess_bulk, na.rm = TRUE)),
          number(min(found$ess_tail, na.rm = TRUE)))
}
fit_with <- list(
  lme4 = function() if (gaussian_response) lmer(formula, data) else
    glmer(formula, data, family = family),
  glmmTMB = function() glmmTMB(formula, data, family = family),
  brms = function() brm(formula, data, family = family, chains = 4, iter = iterations,
                        cores = cores, seed = seed, refresh = 0),
  rstanarm = function() if (gaussian_response)
    stan_lmer(formula, data, chains = 4, iter = iterations, cores = cores, seed = seed,
              refresh = 0) else
    stan_glmer(formula, data, family = family, chains = 4, iter = iterations, cores = cores,
               seed = seed, refresh = 0)
)

import <- seconds_of(suppressPackageStartupMessages(library(tool, character.only = TRUE)))
total <- seconds_of(fit <- fit_with[[tool]]())
extra <- ""
if (tool %in% c("brms", "rstanarm")) {
  if (tool == "brms") {
    draws <- posterior::as_draws(fit)
    stan <- fit$fit
    names <- posterior::variables(draws)
    effects <- grep("^r_", names, value = TRUE)
    population <- grep("^(b_|sd_|cor_|sigma)", names, value = TRUE)
  } else {
    draws <- posterior::as_draws_array(as.array(fit))
    stan <- fit$stanfit
    names <- posterior::variables(draws)
    effects <- grep("^b\\[", names, value = TRUE)
    population <- setdiff(names, c(effects, "mean_PPD", "log-posterior", "lp__"))
  }
  extra <- sprintf(', "ess": %s, "ess_effects": %s, "draws": %d, "divergences": %d',
                   lowest(draws, population), lowest(draws, effects),
                   posterior::ndraws(draws), rstan::get_num_divergent(stan))
}
version <- as.character(packageVersion(tool))
writeLines(sprintf(
  '{"import_all": %s, "rows": %d, "version": "%s", "r": "%s", "fit": {"seconds": {"total": %s}%s}}',
  number(import), nrow(data), version, as.character(getRversion()), number(total), extra
), arguments[6])
