"""Addresses of the API: symptoms and diagnoses. Filing a report is in tickets."""

from django.urls import path

from diagnostics.api import learning, logs, views

urlpatterns = [
    path("response-codes/", views.ResponseCodes.as_view(), name="response_codes"),
    path("symptoms/", views.Symptoms.as_view(), name="symptoms"),
    path("symptoms/<slug:symptom>/numbers/", learning.Numbers.as_view(), name="numbers"),
    path("diagnoses/", views.Diagnoses.as_view(), name="diagnoses"),
    path("diagnoses/<str:ref>/", views.OneDiagnosis.as_view(), name="diagnosis"),
    path("diagnoses/<str:ref>/answers/", views.Answers.as_view(), name="diagnosis_answers"),
    path("log-analyses/", logs.LogAnalyses.as_view(), name="log_analyses"),
]
