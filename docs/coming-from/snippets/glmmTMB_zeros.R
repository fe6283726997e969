library(glmmTMB)
owls <- read.csv("owls.csv")
m <- glmmTMB(SiblingNegotiation ~ FoodTreatment + offset(log(BroodSize)) + (1 | Nest),
             ziformula = ~ FoodTreatment, data = owls, family = poisson)
print(fixef(m), digits = 3)
